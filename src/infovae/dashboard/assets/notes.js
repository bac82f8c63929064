// Notes and tags of a run, which the server keeps in its folder; a file only shows them.

function notesOf(run) {
  if (!state.live) {
    const told = [run.tags.length ? `Tags: ${run.tags.join(", ")}` : "", run.notes].filter(Boolean);
    return told.map((text) => element("p", { class: "noted", text }));
  }
  const tags = element("input", { type: "text", placeholder: "tags, separated by commas", "aria-label": "Tags", maxlength: 1000 });
  const text = element("textarea", { rows: 3, placeholder: "notes", "aria-label": "Notes", maxlength: 10000 });
  const save = element("button", { type: "button", text: "Save" });
  tags.value = run.tags.join(", ");
  text.value = run.notes;
  for (const field of [tags, text]) field.addEventListener("input", () => (save.textContent = "Save"));
  save.addEventListener("click", async () => {
    const list = [...new Set(tags.value.split(",").map((tag) => tag.trim()).filter(Boolean))];
    const body = JSON.stringify({ notes: text.value, tags: list });
    const answer = await fetch(`notes/${run.id}`, { method: "PUT", headers: { "X-Token": state.instance }, body }).catch(() => undefined);
    save.textContent = answer?.ok ? "Saved" : "Not saved";
  });
  return [element("div", { class: "notes", children: [tags, text, save] })];
}
