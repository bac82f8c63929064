// Form controls. Text from run folders goes in as text, never as markup.

/** An element with text, attributes and children. */
function element(tag, { text, children = [], ...attributes } = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

/** Offer values in a select; what was selected stays, else the first of the preferred that there is. */
function offer(select, values, preferred = []) {
  const before = view.wanted.get(select.id) ?? select.value;
  if (values.join("\n") !== [...select.options].map((option) => option.value).join("\n")) {
    select.replaceChildren(...values.map((value) => element("option", { text: value, value })));
  }
  const wanted = [before, ...preferred, values[0]].find((value) => values.includes(value));
  if (wanted !== undefined) select.value = wanted;
  if (select.value === before) view.wanted.delete(select.id);
}

/** Checkboxes in a sheet, with a field that narrows them; sections are {title, items: [{value, label}]}. */
function checkboxes(sheet, sections, isChecked, toggle, reset) {
  const typed = sheet.querySelector("input[type=search]")?.value ?? "";
  const narrow = element("input", { type: "search", placeholder: "narrow", "aria-label": "Narrow the list", autocomplete: "off" });
  narrow.value = typed;
  const rows = [];
  const list = element("div", { class: "list" });
  for (const { title, items } of sections) {
    if (!items.length) continue;
    list.append(element("p", { class: "title", text: title }));
    for (const { value, label } of items) {
      const box = element("input", { type: "checkbox" });
      box.checked = isChecked(value);
      box.addEventListener("change", () => toggle(value, box.checked));
      const row = element("label", { children: [box, element("span", { text: label })] });
      rows.push([row, label.toLowerCase()]);
      list.append(row);
    }
  }
  const apply = () => rows.forEach(([row, label]) => (row.hidden = !label.includes(narrow.value.toLowerCase())));
  narrow.addEventListener("input", apply);
  apply();
  const button = element("button", { type: "button", text: "Default" });
  button.addEventListener("click", reset);
  sheet.replaceChildren(element("div", { class: "narrow", children: [narrow, button] }), list);
}

/** Menus close when one clicks elsewhere or presses Escape. */
function closeMenusOutside() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
