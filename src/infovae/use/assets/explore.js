"use strict";

// A panel for each model. A code is a list of numbers; a plane is an origin and two directions of length 1, so that
// moving on the map changes a code along these two directions alone.

const models = JSON.parse(document.getElementById("described").textContent);
const panels = [];

const dot = (a, b) => a.reduce((sum, entry, i) => sum + entry * b[i], 0);
const unit = (d, i) => Array.from({ length: d }, (_, j) => (j === i ? 1 : 0));

class Panel {
  constructor(number, model) {
    this.number = number;
    this.model = model;
    this.d = model.centre.length;
    this.z = [...model.centre];
    this.wanted = false; // whether the code has moved since the last question
    this.asking = false;
    this.root = document.getElementById("model").content.firstElementChild.cloneNode(true);
    document.getElementById("models").append(this.root);
    this.canvas = this.find("canvas");
    this.find("h2").textContent = model.name;
    const what = model.examples.length ? `${model.codes.length.toLocaleString("en")} examples by E[z|x]` : "draws of the prior";
    this.find(".about").textContent = `${model.folder} · ${this.d} dimensions · on the map: ${what}`;
    this.makeClasses();
    this.makePlanes();
    this.makeConditions();
    this.makeSliders();
    this.listen();
    this.measure();
    new ResizeObserver(() => this.measure()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.measure());
    this.moved();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  colour(label) {
    return this.model.colours[label % this.model.colours.length];
  }

  makeClasses() {
    const present = [...new Set(this.model.labels)].sort((a, b) => a - b);
    if (present.length < 2) return;
    const shown = present.slice(0, 20);
    for (const label of shown) {
      const entry = document.createElement("li");
      const dotted = document.createElement("i");
      dotted.style.background = this.colour(label);
      entry.append(dotted, this.model.classes[label]);
      this.find(".classes").append(entry);
    }
    if (present.length > shown.length) this.find(".classes").append(`and ${present.length - shown.length} more`);
  }

  makePlanes() {
    const principal = this.d > 2 && this.model.axes.length === 2;
    this.directions = Array.from({ length: this.d }, (_, i) => ({ name: `z${i + 1}`, way: unit(this.d, i), origin: null }));
    if (principal) {
      this.model.axes.forEach((way, i) => this.directions.push({ name: `PCA ${i + 1}`, way, origin: this.model.centre }));
    }
    const first = principal ? this.d : 0;
    for (const [selector, chosen] of [[".across", first], [".up", Math.min(first + 1, this.directions.length - 1)]]) {
      const select = this.find(selector);
      this.directions.forEach((direction, i) => select.add(new Option(direction.name, i, i === chosen, i === chosen)));
      select.addEventListener("change", () => this.choosePlane(selector === ".across"));
    }
    this.choosePlane(true);
  }

  // Two directions that aren't orthogonal, as a dimension and a principal axis, would move each other: the other menu
  // then follows, to the partner of its own kind.
  choosePlane(acrossChanged) {
    const [across, up] = [this.find(".across"), this.find(".up")];
    const [kept, other] = acrossChanged ? [across, up] : [up, across];
    const isPrincipal = (select) => Number(select.value) >= this.d;
    if (this.d > 1 && (isPrincipal(kept) !== isPrincipal(other) || kept.value === other.value)) {
      const base = isPrincipal(kept) ? this.d : 0;
      other.value = String(Number(kept.value) === base ? base + 1 : base);
    }
    const [a, b] = [this.directions[across.value], this.directions[up.value]];
    this.plane = { a: a.way, b: this.d > 1 ? b.way : [0], origin: a.origin ?? this.z.map(() => 0) };
    const { a: u, b: v, origin } = this.plane;
    this.places = this.model.codes.map((code) => {
      const from = code.map((entry, i) => entry - origin[i]);
      return [dot(from, u), dot(from, v)];
    });
    const reach = this.places.reduce((most, [x, y]) => Math.max(most, Math.abs(x), Math.abs(y)), 3);
    this.reach = 1.05 * reach;
    if (this.pixels) this.draw();
  }

  // Of a model that is conditioned on the class. One that always was given a class can't do without.
  makeConditions() {
    if (!this.model.conditioned) return;
    const select = this.find(".condition select");
    if (this.model.needs_class) select.remove(0);
    this.model.classes.forEach((name, label) => select.add(new Option(name, label)));
    select.addEventListener("change", () => this.moved());
    this.find(".condition").hidden = false;
  }

  makeSliders() {
    // The dimensions in which the codes vary most come first.
    const order = this.model.spread.map((_, i) => i).sort((i, j) => this.model.spread[j] - this.model.spread[i]);
    this.sliders = [];
    for (const i of order) {
      const label = document.createElement("label");
      const slider = document.createElement("input");
      const output = document.createElement("output");
      Object.assign(slider, { type: "range", min: -this.model.reach[i], max: this.model.reach[i], step: "any" });
      label.title = `standard deviation of the codes: ${this.model.spread[i].toFixed(3)}`;
      label.append(`z${i + 1}`, slider, output);
      slider.addEventListener("input", () => {
        this.z[i] = Number(slider.value);
        this.moved();
      });
      this.find(".sliders").append(label);
      this.sliders[i] = { slider, output };
    }
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.moveTo(this.placeOf(event));
    });
    canvas.addEventListener("pointermove", (event) => (this.dragging ? this.moveTo(this.placeOf(event)) : this.hover(event)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.dragging = false));
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const [x, y] = this.cursor();
      const step = this.reach / (event.shiftKey ? 10 : 50);
      this.moveTo([x + way[0] * step, y + way[1] * step]);
    });
    this.find(".draw").addEventListener("click", async () => {
      const answer = await fetch(`/${this.number}/draw`);
      if (answer.ok) this.goTo(await answer.json());
    });
    this.find(".centre").addEventListener("click", () => this.goTo([...this.model.centre]));
    this.find(".example button").addEventListener("click", () => {
      if (this.model.conditioned) this.find(".condition select").value = this.model.labels[this.nearest];
      this.goTo([...this.model.codes[this.nearest]]);
    });
  }

  goTo(z) {
    this.z = z;
    this.moved();
  }

  cursor() {
    const from = this.z.map((entry, i) => entry - this.plane.origin[i]);
    return [dot(from, this.plane.a), dot(from, this.plane.b)];
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width;
    const up = 1 - (event.clientY - box.top) / box.height;
    return [(2 * across - 1) * this.reach, (2 * up - 1) * this.reach];
  }

  moveTo([x, y]) {
    const limit = (value) => Math.max(-this.reach, Math.min(this.reach, value));
    const [u, v] = this.cursor();
    const [du, dv] = [limit(x) - u, limit(y) - v];
    this.z = this.z.map((entry, i) => entry + du * this.plane.a[i] + dv * this.plane.b[i]);
    this.moved();
  }

  moved() {
    this.z.forEach((entry, i) => {
      this.sliders[i].slider.value = entry;
      this.sliders[i].output.textContent = entry.toFixed(2);
    });
    if (this.pixels) this.draw();
    this.showNearest();
    this.wanted = true;
    if (!this.asking) this.ask();
  }

  // One question at a time, always about the newest code: a slow decoder lags behind by one image at the most.
  async ask() {
    this.asking = true;
    while (this.wanted) {
      this.wanted = false;
      try {
        const answer = await fetch(this.address("decode"), { method: "POST", body: new Float32Array(this.z) });
        this.say(answer.ok ? "" : `the server answered ${answer.status}`);
        if (answer.ok) this.show(this.find(".decoded"), await answer.blob());
      } catch {
        this.say("the server doesn't answer; is infovae explore still running?");
      }
    }
    this.asking = false;
    this.root.dataset.ready = "true";
  }

  address(question) {
    const label = this.find(".condition select").value;
    return `/${this.number}/${question}${label && `?label=${label}`}`;
  }

  show(image, blob) {
    const earlier = image.src;
    image.src = URL.createObjectURL(blob);
    if (earlier) URL.revokeObjectURL(earlier);
  }

  say(text) {
    const error = this.find(".error");
    error.textContent = text;
    error.hidden = !text;
  }

  // The example of the map whose whole code is nearest, not only its place in the plane.
  showNearest() {
    if (!this.model.examples.length) return;
    let least = Infinity;
    this.model.codes.forEach((code, i) => {
      let distance = 0;
      for (let j = 0; j < this.d && distance < least; j++) distance += (code[j] - this.z[j]) ** 2;
      if (distance < least) [least, this.nearest] = [distance, i];
    });
    this.find(".example").hidden = false;
    const address = `/${this.number}/example/${this.nearest}`;
    const image = this.find(".example img");
    if (image.getAttribute("src") !== address) image.src = address;
    this.find(".example p").textContent = `${this.titleOf(this.nearest)}, ${Math.sqrt(least).toPrecision(3)} away`;
  }

  titleOf(i) {
    return `${this.model.examples[i]}, class ${this.model.classes[this.model.labels[i]]}`;
  }

  hover(event) {
    if (!this.model.examples.length) return;
    const [x, y] = this.placeOf(event);
    const near = (8 / this.canvas.clientWidth) * 2 * this.reach;
    let least = near * near;
    let found = -1;
    this.places.forEach(([u, v], i) => {
      const distance = (u - x) ** 2 + (v - y) ** 2;
      if (distance < least) [least, found] = [distance, i];
    });
    this.find(".point").textContent = found < 0 ? "" : this.titleOf(found);
  }

  measure() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    this.pixels = side;
    this.canvas.width = this.canvas.height = side;
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.root);
    const at = (value) => (value / this.reach + 1) * (this.pixels / 2);
    context.fillStyle = style.getPropertyValue("--card");
    context.fillRect(0, 0, this.pixels, this.pixels);
    context.lineWidth = devicePixelRatio;
    const step = this.reach > 30 ? 10 : this.reach > 12 ? 5 : 1;
    context.font = `${11 * devicePixelRatio}px system-ui`;
    context.fillStyle = style.getPropertyValue("--soft");
    for (let tick = -Math.floor(this.reach / step) * step; tick <= this.reach; tick += step) {
      context.strokeStyle = style.getPropertyValue(tick === 0 ? "--soft" : "--line");
      context.beginPath();
      context.moveTo(at(tick), 0);
      context.lineTo(at(tick), this.pixels);
      context.moveTo(0, this.pixels - at(tick));
      context.lineTo(this.pixels, this.pixels - at(tick));
      context.stroke();
      context.fillText(String(tick), at(tick) + 2 * devicePixelRatio, this.pixels - 4 * devicePixelRatio);
    }
    context.globalAlpha = 0.75;
    this.places.forEach(([u, v], i) => {
      context.fillStyle = this.model.labels.length ? this.colour(this.model.labels[i]) : style.getPropertyValue("--soft");
      context.beginPath();
      context.arc(at(u), this.pixels - at(v), 2.2 * devicePixelRatio, 0, 2 * Math.PI);
      context.fill();
    });
    context.globalAlpha = 1;
    const [x, y] = this.cursor();
    for (const [colour, width] of [["--card", 6], ["--text", 2.5]]) {
      context.strokeStyle = style.getPropertyValue(colour);
      context.lineWidth = width * devicePixelRatio;
      context.beginPath();
      context.arc(at(x), this.pixels - at(y), 8 * devicePixelRatio, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  async look(file) {
    try {
      const answer = await fetch(this.address("look"), { method: "POST", body: file });
      const seen = answer.ok ? await answer.json() : { error: `the server answered ${answer.status}` };
      this.say(seen.error ? `${file.name}: ${seen.error}` : "");
      if (seen.error) return;
      this.find(".prepared").src = seen.prepared;
      this.find(".reconstruction").src = seen.reconstruction;
      this.find(".neighbours").replaceChildren(
        ...seen.neighbours.map(({ image, title }) => Object.assign(new Image(), { src: image, title, alt: title })),
      );
      this.find(".nearest").hidden = !seen.neighbours.length;
      this.find(".own").hidden = false;
      this.goTo(seen.mean);
    } catch {
      this.say("the server doesn't answer; is infovae explore still running?");
    }
  }
}

models.forEach((model, number) => panels.push(new Panel(number, model)));

const look = (file) => file && panels.forEach((panel) => panel.look(file));
document.getElementById("file").addEventListener("change", (event) => {
  look(event.target.files[0]);
  event.target.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) addEventListener(name, () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  look(event.dataTransfer.files[0]);
});
