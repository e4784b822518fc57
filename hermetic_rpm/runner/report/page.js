"use strict";
(() => {
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const count = document.getElementById("count");
  const whole = count?.textContent;

  /** What a cell is sorted by: the number it stands for, or its text. */
  const keyOf = (cell) => {
    const data = cell.querySelector("data");
    return data ? Number(data.value) : (cell.querySelector("summary") ?? cell).textContent;
  };

  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return order.compare(String(one), String(other));
  };

  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [keyOf(row.cells[column]), row]);
    const sign = direction === "ascending" ? 1 : -1;
    rows.sort((one, other) => sign * compare(one[0], other[0]));
    body.append(...rows.map(([, row]) => row));
  };

  /** Make a button of each head of a column. */
  const makeSortable = (table) => {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction);
        sort(table, column, direction);
      });
    });
  };

  /** Show the rows that have every word in one of the cells before the last, which tells why. */
  const makeSearchable = (field, table) => {
    const rows = Array.from(table.tBodies[0].rows, (row) => [
      row, Array.from(row.cells).slice(0, -1).map((cell) => cell.textContent).join("\n").toLowerCase(),
    ]);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown.toLocaleString("en")} of ${whole}` : whole;
    });
    field.closest(".tools").hidden = false;
  };

  /** On paper everything is unfolded. */
  const unfoldForPrint = () => {
    let folded = [];
    addEventListener("beforeprint", () => {
      folded = Array.from(document.querySelectorAll("details:not([open])"));
      folded.forEach((details) => { details.open = true; });
    });
    addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
  };

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const field = document.getElementById("search");
  if (field) makeSearchable(field, document.getElementById("locked"));
  unfoldForPrint();
})();
