// A run by itself: how to make it again, what went wrong, its whole config. #run=PATH links to it.

function detailsLink(run) {
  return `#${new URLSearchParams({ run: run.path })}`;
}

/** Name a run in the address, beside what it says of the view. */
function linkDetails(run) {
  const told = new URLSearchParams(location.hash.slice(1));
  told.set("run", run.path);
  location.hash = told;
}

/** Open the run that the address names, once it has been read. */
function openLinkedDetails() {
  const path = new URLSearchParams(location.hash.slice(1)).get("run");
  const run = path !== null && allRuns().find((one) => one.path === path);
  if (run && byId("details").dataset.path !== path) showDetails(run);
}

function showDetails(run) {
  const close = element("button", { type: "button", text: "Close" });
  const dialog = byId("details");
  close.addEventListener("click", () => dialog.close());
  const top = element("div", { class: "bar", children: [element("h2", { id: "details-heading", text: state.paths.get(run.id) }), close] });
  const facts = element("p", { class: "note", text: `${run.status}; ${toldWeights(run)}${run.path}` });
  const problems = [run.error, ...run.problems].filter(Boolean).map((text) => element("li", { text }));
  const parts = [top, facts];
  if (problems.length) parts.push(element("ul", { class: "problems", children: problems }));
  parts.push(...notesOf(run));
  parts.push(element("h3", { text: "Reproduce" }), ...reproduction(run));
  parts.push(listing("Metrics", run.metrics, true), listing("Config", run.config, false));
  dialog.replaceChildren(...parts);
  dialog.dataset.path = run.path;
  if (!dialog.open) dialog.showModal();
}

function toldWeights(run) {
  const last = epochGoneBeyond(run);
  return last === undefined ? "" : `weights of epoch ${run.metrics.epoch} of ${last}; `;
}

function reproduction(run) {
  if (!run.command) return [element("p", { class: "note", text: "The run folder doesn't tell the command." })];
  const lines = run.revision && /^[0-9a-f]{7,64}$/.test(run.revision) ? [`git checkout ${run.revision}`, run.command] : [run.command];
  const text = element("pre", { text: lines.join("\n"), tabindex: "0", "aria-label": "Command line" });
  const copy = element("button", { type: "button", text: "Copy" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text); // no clipboard here: ready for Ctrl-C
      copy.textContent = "Selected";
    }
  });
  const warning = run.changed ? " The code had changes that were not committed: they are not in that revision." : "";
  return [
    element("div", { class: "command", children: [text, copy] }),
    element("p", { class: "note", text: `For a shell at the top of a clone.${warning}` }),
  ];
}

function listing(title, values, open) {
  const rows = Object.entries(values)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, value]) => element("tr", { children: [element("th", { scope: "row", text: name }), element("td", { text: formatValue(asNumber(value) ?? value) })] }));
  const made = element("details", { class: "listing", children: [element("summary", { text: `${title} (${rows.length})` }), element("table", { children: rows })] });
  made.open = open;
  return made;
}

function followLinks() {
  addEventListener("hashchange", openLinkedDetails);
  byId("details").addEventListener("close", () => {
    delete byId("details").dataset.path;
    const told = new URLSearchParams(location.hash.slice(1));
    told.delete("run");
    history.replaceState(null, "", `#${told}`);
    saveViewSoon();
  });
  byId("details").addEventListener("click", (event) => {
    if (event.target === byId("details")) byId("details").close(); // the backdrop
  });
}
