// A picture as large as the window. Left and right step through its epochs, up and down through the runs.

const enlarged = { kind: undefined, runs: [], run: 0, epoch: 0 };

function enlarge(runs, run, kind, epoch) {
  Object.assign(enlarged, { kind, runs, run: runs.indexOf(run), epoch });
  showEnlarged();
  if (!byId("enlarged").open) byId("enlarged").showModal();
}

function stepEnlarged(step) {
  const drawn = (enlarged.runs[enlarged.run].pictures[enlarged.kind] ?? []).map(([epoch]) => epoch);
  const at = drawn.indexOf(enlarged.epoch);
  enlarged.epoch = drawn[Math.min(Math.max(at + step, 0), drawn.length - 1)];
  showEnlarged();
}

/** Another run: its newest picture up to the same epoch, else its first. */
function stepRun(step) {
  const withKind = enlarged.runs.map((run, at) => (run.pictures[enlarged.kind]?.length ? at : -1)).filter((at) => at >= 0);
  enlarged.run = withKind[(withKind.indexOf(enlarged.run) + step + withKind.length) % withKind.length];
  const drawn = enlarged.runs[enlarged.run].pictures[enlarged.kind].map(([epoch]) => epoch);
  enlarged.epoch = drawn.filter((epoch) => epoch === null || epoch <= (enlarged.epoch ?? Infinity)).at(-1) ?? drawn[0];
  showEnlarged();
}

function showEnlarged() {
  const run = enlarged.runs[enlarged.run];
  const [epoch, file, modified] = run.pictures[enlarged.kind].find(([drawn]) => drawn === enlarged.epoch);
  const source = pictureSource(run, file, modified);
  const name = `${state.paths.get(run.id)}: ${enlarged.kind}${epoch === null ? "" : `, epoch ${epoch}`}`;
  const close = element("button", { type: "button", text: "Close" });
  close.addEventListener("click", () => byId("enlarged").close());
  const keys = element("span", { class: "note", text: "← → epochs, ↑ ↓ runs" });
  byId("enlarged").replaceChildren(
    element("div", { class: "bar", children: [element("h2", { id: "enlarged-heading", text: name }), keys, close] }),
    source ? element("img", { src: source, alt: name, decoding: "sync" }) : missing("not in this file"),
  );
}

function listenToEnlarged() {
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: () => stepEnlarged(-1), ArrowRight: () => stepEnlarged(1), ArrowUp: () => stepRun(-1), ArrowDown: () => stepRun(1) }[event.key];
    if (!step || !byId("enlarged").open) return;
    event.preventDefault();
    step();
  });
  byId("enlarged").addEventListener("click", (event) => event.target === byId("enlarged") && byId("enlarged").close()); // the backdrop
}
