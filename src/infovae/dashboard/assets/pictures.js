// Pictures of runs side by side, at one epoch for all.

const MOST_PICTURED = 12;
const pictures = { off: new Set(), epoch: undefined };

/** The runs to compare: the chosen, else the first three of the table. */
function picturedRuns() {
  const chosen = [...state.chosen].map((number) => state.runs.get(number)).filter(Boolean);
  return chosen.length ? chosen.slice(0, MOST_PICTURED) : state.inTable.slice(0, 3).map((number) => state.runs.get(number));
}

function drawPictures() {
  const runs = picturedRuns();
  const kinds = [...new Set(runs.flatMap((run) => Object.keys(run.pictures)))].sort(compareKinds);
  const boxes = kinds.map((kind) => {
    const box = element("input", { type: "checkbox" });
    box.checked = !pictures.off.has(kind);
    box.addEventListener("change", () => {
      box.checked ? pictures.off.delete(kind) : pictures.off.add(kind);
      drawPictures();
    });
    return element("label", { children: [box, element("span", { text: kind })] });
  });
  if (!byId("picture-kinds").contains(document.activeElement)) {
    byId("picture-kinds").replaceChildren(element("legend", { text: "Pictures" }), ...boxes);
  }
  const shown = kinds.filter((kind) => !pictures.off.has(kind));
  const epochs = [...new Set(runs.flatMap((run) => shown.flatMap((kind) => (run.pictures[kind] ?? []).map(([epoch]) => epoch))))]
    .filter((epoch) => epoch !== null)
    .sort((one, other) => one - other);
  const epoch = epochs.filter((one) => one <= (pictures.epoch ?? Infinity)).at(-1) ?? epochs[0];
  const slider = byId("epoch");
  slider.max = Math.max(0, epochs.length - 1);
  slider.value = Math.max(0, epochs.indexOf(epoch));
  slider.disabled = byId("play").disabled = epochs.length < 2;
  slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
  slider.oninput = () => {
    // The last stop follows a run that goes on.
    pictures.epoch = Number(slider.value) === epochs.length - 1 ? undefined : epochs[slider.value];
    drawPictures();
  };
  byId("epoch-shown").textContent = epoch ?? "none";
  notePictures(runs);
  const columns = runs.length;
  const grid = element("div", { class: "grid" });
  grid.style.setProperty("--columns", columns);
  grid.append(...runs.map((run) => heading(run)));
  for (const kind of shown) grid.append(...runs.map((run) => figure(run, kind, epoch, runs)));
  const before = byId("pictures").firstElementChild;
  const left = before?.scrollLeft;
  byId("pictures").replaceChildren(grid);
  if (left) grid.scrollLeft = left;
}

let film; // the timer of a film that runs

/** Show one epoch after the other, from the first to the last; once more stops it. */
function playFilm() {
  const slider = byId("epoch");
  const step = () => {
    if (Number(slider.value) >= Number(slider.max) || byId("panel-pictures").hidden) return stopFilm();
    slider.stepUp();
    slider.oninput();
  };
  if (film) return stopFilm();
  byId("play").textContent = "■ Stop";
  slider.value = 0;
  slider.oninput();
  film = setInterval(step, 350);
}

function stopFilm() {
  clearInterval(film);
  film = undefined;
  byId("play").textContent = "▶ Film";
}

function compareKinds(one, other) {
  const order = ["samples", "reconstructions"];
  const rank = (kind) => (order.includes(kind) ? order.indexOf(kind) : order.length);
  return rank(one) - rank(other) || one.localeCompare(other);
}

function notePictures(runs) {
  const { embedded, found, megabytes } = state.embedding ?? {};
  note("pictures-note", [
    !state.chosen.size && runs.length && "No run is chosen: these are the table's first three.",
    state.chosen.size > MOST_PICTURED && `The first ${MOST_PICTURED} of ${state.chosen.size} chosen runs.`,
    embedded < found && `This file holds ${embedded} of ${found} pictures, the newest epochs first (picture_megabytes=${megabytes}); python dashboard.py --serve shows them all.`,
  ]);
}

function heading(run) {
  const link = element("a", { text: state.paths.get(run.id), href: detailsLink(run), title: run.path });
  const told = groupKeys().filter((key) => run.config[key] !== undefined);
  const short = shortKeys(told);
  const values = [...told, ...(run.config.seed === undefined ? [] : ["seed"])].map((key) => `${short.get(key) ?? key}=${formatValue(run.config[key])}`);
  return element("div", { class: "heading", children: [link, element("small", { text: values.join(", ") })] });
}

/** The newest picture up to the epoch; at the slider's last stop, up to the one whose weights the run ended with. */
function figure(run, kind, epoch, runs) {
  const all = run.pictures[kind] ?? [];
  const isLastStop = pictures.epoch === undefined;
  const until = isLastStop && epochGoneBeyond(run) !== undefined ? run.metrics.epoch : epoch;
  const found = all.filter(([drawn]) => drawn === null || drawn <= until).at(-1);
  if (!found) return element("figure", { children: [missing(all.length ? `no ${kind} up to epoch ${epoch}` : `no ${kind}`)] });
  const [drawn, file, modified] = found;
  const caption = element("figcaption", { text: `${kind}${drawn === null ? "" : `, epoch ${drawn}`}` });
  const source = pictureSource(run, file, modified);
  if (source === "") return element("figure", { children: [missing("damaged picture"), caption] });
  if (!source) return element("figure", { children: [missing("not in this file"), caption] });
  const image = element("img", { src: source, alt: `${kind} of ${state.paths.get(run.id)}, ${drawn === null ? "at the end" : `epoch ${drawn}`}`, decoding: "sync" });
  const larger = element("button", { type: "button", class: "larger", title: "Enlarge", children: [image] });
  larger.addEventListener("click", () => enlarge(runs, run, kind, drawn));
  image.addEventListener("error", () => larger.replaceWith(missing("damaged picture")));
  return element("figure", { children: [larger, caption] });
}

function missing(text) {
  return element("div", { class: "missing", text });
}

function pictureSource(run, file, modified) {
  if (state.live) return `figures/${run.id}/${encodeURIComponent(file)}?v=${modified}`;
  run.embedded ??= JSON.parse(byId(`pictures-${run.id}`)?.textContent ?? "{}");
  return run.embedded[file];
}
