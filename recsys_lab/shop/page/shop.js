// The live shop, as a page and as a notebook widget: one module, no framework.
//
// `mount(root, api, options)` draws it. `api(method, path, body)` answers {status, headers, body}: over HTTP on the
// page, by messages in a notebook (see the end). What products are called is written as text, never as markup.

const LIST = 10; // products in the For-you row
const SHELF = 24; // products that a page of the catalogue has
const RETRY_MS = [1000, 2000, 4000, 8000];
const STATUS = { NOT_FOUND: 404, TIMEOUT: 408, MANY: 429, BROKEN: 500 };
let mounted = 0; // several widgets may stand in one notebook: ids of elements carry this number

// -- elements ---------------------------------------------------------------------------------------------------------

const nothing = (value) => value === undefined || value === null || value === false;

/** An element: "tag.class", attributes and `on…` listeners (may be left out), children. Texts become text nodes. */
function h(kind, ...rest) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  const plain = rest[0]?.constructor === Object;
  for (const [name, value] of Object.entries(plain ? rest.shift() : {})) {
    if (nothing(value)) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...rest.flat().filter((child) => !nothing(child)));
  return made;
}

const button = (label, onclick, look = "", more = {}) =>
  h("button", { type: "button", class: look, ...more, onclick }, label);
const unseen = (text) => h("span.unseen", text);
const number = (value, digits = 3) => (Object.is(value, -0) ? 0 : value).toFixed(digits);
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const whole = (count) => new Intl.NumberFormat("en").format(count);
const quiet = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
/** A part of an address as text; what is no such part stays as it is, and is then no product. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
const named = (product) => product.name || product.item_id;

/** A labelled bar with its number; bars to the left are below zero. `most` is the value of a full bar. */
function bar(label, value, most, digits = 3) {
  const fill = h("span", { class: value < 0 ? "fill below" : "fill" });
  fill.style.width = `${most > 0 ? Math.min(100, (100 * Math.abs(value)) / most) : 0}%`;
  const row = h("li.bar", { "data-term": label, "data-value": String(value) });
  row.append(h("span.term", label.replaceAll("_", " ")), h("span.track", { "aria-hidden": "true" }, fill));
  row.append(h("span.number", number(value, digits)));
  return row;
}

/** What a search understood, in words: "category: jackets; price below 120". What is no plain rule stays as it is. */
export function inWords(notes) {
  const signs = { "==": ":", "!=": ": not", "<": " below", "<=": " up to", ">": " above", ">=": " from" };
  const told = (text) => text.replaceAll(/(?<=^|, )["']|["'](?=$|, )/g, ""); // without the quotes around values
  return notes.split("; ").map((note) => {
    const [, words, rule] = note.match(/^(.*) → (.*)$/) || [];
    if (!rule) return note;
    const said = rule
      .replaceAll(/(\w+) (not )?in \[([^\]]*)\]/g, (_, name, not, all) =>
        `${name}: ${not || ""}${told(all).replaceAll(", ", " or ")}`)
      .replaceAll(/(\w+) (==|!=|<=|>=|<|>) ('[^']*'|"[^"]*"|[\d.]+)/g, (_, name, sign, value) =>
        `${name}${signs[sign]} ${told(value)}`);
    return said === rule ? `${words}: ${rule.replace("counts: ", "")}` : said.replaceAll("_", " ");
  }).join("; ");
}

/** An id that no other event has; crypto.randomUUID is there on secure origins alone. */
function freshId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// -- the line to the server -------------------------------------------------------------------------------------------

/** Nobody answers, or somebody who is in trouble: to be asked again later. */
class Away extends Error {}

/** Asks, and keeps how long each answer took. Throws `Away`, or an error that says why the answer is no. */
class Line {
  constructor(api, changed) {
    Object.assign(this, { api, changed, taken: [] });
  }

  async ask(method, path, body) {
    const start = performance.now();
    let answer = null;
    try {
      answer = await this.api(method, path, body);
    } catch (error) {
      this.note(method, path, performance.now() - start, 0);
      throw new Away(error.message);
    }
    this.note(method, path, performance.now() - start, answer.status);
    if ([0, STATUS.TIMEOUT, STATUS.MANY].includes(answer.status) || answer.status >= STATUS.BROKEN) {
      throw new Away(`the shop answered ${answer.status}`);
    }
    if (answer.status >= 400) {
      const error = new Error(answer.body?.detail || answer.body?.title || `the shop answered ${answer.status}`);
      throw Object.assign(error, { status: answer.status });
    }
    return answer.body;
  }

  note(method, path, ms, status) {
    this.taken.unshift({ method, path: path.split("?")[0], ms, status });
    this.taken.length = Math.min(this.taken.length, 40);
    this.changed();
  }
}

/** Events on their way: each keeps its id until it is acknowledged, so sending it twice does no harm. */
class Outbox {
  constructor(line, kept, refused) {
    Object.assign(this, { line, kept, refused, sending: null });
    this.waiting = [kept.read("events") ?? []].flat();
  }

  /** Take events in and send what waits. Throws `Away` when it stays here for now. */
  send(...events) {
    this.waiting.push(...events.map((event) => ({ id: freshId(), ...event })));
    return this.flush();
  }

  flush() {
    this.kept.write("events", this.waiting);
    this.sending ??= this.drain().finally(() => (this.sending = null));
    return this.sending;
  }

  async drain() {
    while (this.waiting.length) {
      const batch = this.waiting.slice(0, 100);
      // The shop's clock says when; only what could not be sent at once says so itself.
      const body = batch.map(({ late, at, ...event }) => (late ? { ...event, timestamp: at } : event));
      try {
        const answer = await this.line.ask("POST", "/events", body);
        for (const { refused } of answer?.taken ?? []) if (refused) this.refused(new Error(refused));
      } catch (error) {
        if (error instanceof Away) {
          for (const event of batch) event.late = true;
          this.kept.write("events", this.waiting);
          throw error;
        }
        this.refused(error); // all of them: where only some are, the answer says which
      }
      this.waiting.splice(0, batch.length);
      this.kept.write("events", this.waiting);
    }
  }
}

// -- lists that change ------------------------------------------------------------------------------------------------

/** What became of each product between two lists: {kind: "new" | "up" | "down" | "same", by}. */
export function moves(before, after) {
  const was = new Map(before.map((id, place) => [id, place]));
  return new Map(
    after.map((id, place) => {
      if (!was.has(id)) return [id, { kind: "new", by: 0 }];
      const by = was.get(id) - place;
      return [id, { kind: by > 0 ? "up" : by < 0 ? "down" : "same", by: Math.abs(by) }];
    }),
  );
}

/** The moves of a list in words. */
export function summary(made, cause) {
  const count = { new: 0, up: 0, down: 0, same: 0 };
  for (const move of made.values()) count[move.kind] += 1;
  const told = ["new", "up", "down"].filter((kind) => count[kind]);
  return `${cause}: ${told.map((kind) => `${count[kind]} ${kind}`).join(", ") || "the list stays as it is"}.`;
}

/** The mark on a card that moved, for the eye and in words. */
function mark(move) {
  if (!move || move.kind === "same") return null;
  if (move.kind === "new") return h("span.move.new", "New");
  const sign = h("span", { "aria-hidden": "true" }, `${move.kind === "up" ? "▲" : "▼"} ${move.by}`);
  return h("span", { class: `move ${move.kind}` }, sign, unseen(`${move.kind} ${plural(move.by, "place")}`));
}

/** Let cards glide from where they were to where they are now; new ones fade in. */
function glide(list, before) {
  if (quiet()) return;
  for (const card of list.children) {
    const old = before.get(card.dataset.item);
    const box = card.getBoundingClientRect();
    const frames = old
      ? [{ transform: `translate(${old.left - box.left}px, ${old.top - box.top}px)` }, { transform: "none" }]
      : [{ opacity: 0, transform: "translateY(10px) scale(.97)" }, { opacity: 1, transform: "none" }];
    if (!old || old.left !== box.left || old.top !== box.top) {
      card.animate(frames, { duration: old ? 480 : 420, easing: "cubic-bezier(.2,.7,.2,1)" });
    }
  }
}

const places = (list) =>
  new Map(Array.from(list.children, (card) => [card.dataset.item, card.getBoundingClientRect()]));

// -- the shop ---------------------------------------------------------------------------------------------------------

class Page {
  constructor(root, api, options) {
    Object.assign(this, { root, options, n: ++mounted, timers: new Set(), asked: {}, tries: 0 });
    this.kept = options.kept;
    this.line = new Line(api, () => this.showLatency());
    this.outbox = new Outbox(this.line, this.kept, (error) => this.say(`Not taken: ${error.message}`));
    this.weights = ""; // those that were moved, as space:weight; the others stay the engine's own
    this.by = ""; // none: what the shop serves by itself
    this.filters = { department: "", category: "", max_price: "" };
    this.session = { events: [], cart: [], taste: [], because: [] };
    this.query = "";
    this.forYou = [];
    this.stop = new AbortController();
    this.scroller = options.page ? document.scrollingElement : root;
  }

  id(name) {
    return `shop-${this.n}-${name}`;
  }

  async start() {
    this.draw();
    this.theme(this.kept.read("theme"));
    this.openPanel(this.kept.read("panel") === true);
    if (this.options.page) {
      const moved = () => this.tried(() => this.route());
      for (const kind of ["popstate", "hashchange"]) addEventListener(kind, moved, { signal: this.stop.signal });
    }
    await this.load();
  }

  /** All that the page shows, from the beginning; again after the shop was away. */
  async load(cause = "") {
    await this.tried(async () => {
      const unsent = await this.outbox.flush().catch((error) => error); // the lists may be there all the same
      if (!this.config) {
        this.config = await this.line.ask("GET", "/config");
        this.offer();
      }
      await Promise.all([this.showForYou(cause), this.showSession(), this.showShelf()]);
      await this.route();
      if (unsent) throw unsent;
    });
  }

  /** Do what needs the other side, true if it is done; when that is away, say so and try all again in a while. */
  async tried(work) {
    try {
      await work();
      this.tries = 0;
      this.reached();
      return true;
    } catch (error) {
      if (!(error instanceof Away)) {
        this.say(error.message);
        return false;
      }
      this.reached(error);
      this.later("retry", RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)], () => this.load("The shop is back"));
      return false;
    }
  }

  later(name, ms, work) {
    clearTimeout(this[name]);
    this.timers.delete(this[name]);
    this[name] = setTimeout(work, ms);
    this.timers.add(this[name]);
  }

  /** Ask for one place on the page; an answer that a later question has overtaken is null. */
  async newest(place, method, path, body) {
    const turn = (this.asked[place] = (this.asked[place] || 0) + 1);
    const answer = await this.line.ask(method, path, body);
    return this.asked[place] === turn ? answer : null;
  }

  say(text) {
    this.at.toast.textContent = text;
    this.at.toast.classList.toggle("shown", Boolean(text));
    if (text) this.later("toasting", 5000, () => this.say(""));
  }

  end() {
    this.stop.abort();
    for (const timer of this.timers) clearTimeout(timer);
    this.root.replaceChildren();
  }

  // -- the frame

  draw() {
    const at = (this.at = {});
    const put = (name, element) => (at[name] = element);
    this.root.classList.add("rl-shop");
    this.root.classList.toggle("embedded", !this.options.page);
    // A notebook's own keys (a, b, d d …) must not act on its cells while somebody types here.
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.addEventListener("keydown", (event) => this.key(event), { signal: this.stop.signal });
    // In a notebook the page around it has the h1, the banner and the main part.
    const kinds = this.options.page ? ["header", "h1", "main", "h2", "h3"] : ["div", "h2", "div", "h3", "h4"];
    const [top, title, main, ...heads] = kinds;
    this.heads = heads;
    const [head] = this.heads;
    const search = h(
      "form", { role: "search", class: "search", onsubmit: (event) => this.search(event) },
      h("label", { for: this.id("q"), class: "unseen" }, "Search the shop"),
      put("q", h("input", { type: "search", id: this.id("q"), name: "q", maxlength: 300, autocomplete: "off",
        placeholder: "a warm coat under 120, not black" })),
      h("button", { type: "submit" }, "Search"),
    );
    const header = h(
      top, { class: "top" },
      h(title, { class: "brand" }, "The live shop"), search,
      h("div.tools",
        put("dark", button("Dark", () => this.theme(this.dark ? "light" : "dark", true), "plain")),
        put("toggle", button("Presenter", () => this.togglePanel(), "plain", { "aria-expanded": "false",
          "aria-controls": this.id("panel") })),
        put("cartButton", button("Cart", () => this.openCart(), "cart-button"))),
      put("state", h("div.state", { role: "status" })),
    );
    put("filters", h("form.filters", { "aria-label": "Filters", onsubmit: (event) => event.preventDefault() }));
    const forYou = h(
      "section.for-you", { "aria-labelledby": this.id("for-you") },
      h("div.head",
        put("forYouHead", h(head, { id: this.id("for-you"), tabindex: "-1" }, "For you")),
        put("moved", h("p.moved", { role: "status" }))),
      put("row", h("ul.row", { "aria-labelledby": this.id("for-you") })),
      put("rowNote", h("p.note", { hidden: true })),
    );
    const shelf = put("shelf", h(
      "section.shelf", { "aria-labelledby": this.id("shelf") },
      h("div.head",
        put("shelfHead", h(head, { id: this.id("shelf"), tabindex: "-1" }, "All products")),
        put("found", h("p.moved", { role: "status" })),
        put("clear", button("Back to all products", () => this.clearSearch(), "plain", { hidden: true }))),
      put("grid", h("ul.grid", { "aria-labelledby": this.id("shelf") })),
      put("more", button("Show more", () => this.showMore(), "more", { hidden: true })),
    ));
    put("product", h("section.product", { "aria-labelledby": this.id("product"), hidden: true }));
    const about = { id: this.id("panel"), "aria-labelledby": this.id("panel-head"), hidden: true };
    const panel = put("panel", h("section.panel", about, h(head, { id: this.id("panel-head") }, "Presenter")));
    put("cart", this.dialog("drawer"));
    put("why", this.dialog("card-dialog"));
    put("toast", h("p.toast", { role: "status" }));
    const past = { href: `#${this.id("main")}`, onclick: (event) => this.skip(event) };
    const skip = h("a.skip", past, "Skip to the products");
    const body = h(main, { id: this.id("main"), class: "body", tabindex: "-1" }, forYou, panel, shelf, at.product);
    this.root.replaceChildren(skip, header, at.filters, body, at.cart, at.why, at.toast);
    Object.assign(at, { main: body, head: header });
  }

  skip(event) {
    event.preventDefault(); // the address belongs to the products
    this.at.main.focus();
    this.bring(this.at.main);
  }

  key(event) {
    if (!this.options.page) event.stopPropagation();
    const inDialog = event.target.closest?.("dialog");
    if (event.key === "Escape" && this.shown && !inDialog && event.target.type !== "search") this.go(null);
  }

  dialog(look) {
    const made = h("dialog", { class: look });
    made.addEventListener("click", (event) => event.target === made && made.close()); // beside it
    return made;
  }

  /** Open a dialog: heading, way out, content. Whoever had the focus gets it back, or the row if they have gone. */
  openDialog(dialog, title, ...content) {
    const id = this.id(dialog.className);
    const from = document.activeElement;
    dialog.setAttribute("aria-labelledby", id);
    const close = button("Close", () => dialog.close(), "plain");
    const head = h("div.head", h(this.heads[0], { id, tabindex: "-1" }, title), close);
    dialog.replaceChildren(h("div.inside", head, ...content));
    if (!dialog.open) {
      dialog.showModal();
      dialog.onclose = () => (from?.isConnected ? from : this.at.forYouHead).focus();
    }
    head.firstChild.focus();
  }

  theme(wanted, chosen = false) {
    const system = this.options.dark?.() ?? matchMedia("(prefers-color-scheme: dark)").matches;
    this.dark = wanted ? wanted === "dark" : system;
    if (wanted || this.options.dark?.() !== undefined) this.root.dataset.theme = this.dark ? "dark" : "light";
    if (this.options.page && wanted) document.documentElement.dataset.theme = wanted;
    this.at.dark.setAttribute("aria-pressed", String(this.dark));
    if (chosen) this.kept.write("theme", wanted);
  }

  /** The line above everything: nothing, a calm word that the list is not personal for now, or that nobody answers. */
  reached(error) {
    const waiting = this.outbox.waiting.length;
    const kept = waiting ? ` ${plural(waiting, "event")} ${waiting === 1 ? "is" : "are"} kept and will be sent.` : "";
    const parts = [];
    if (error) {
      parts.push(h("p", `The shop cannot be reached.${kept} Trying again.`));
      parts.push(button("Try now", () => this.load("The shop is back"), "plain"));
    } else if (this.degraded) {
      parts.push(h("p", "Showing what is popular for now. What you do is kept and will count."));
    }
    const kind = error ? "away" : this.degraded ? "degraded" : "";
    if (this.at.state.dataset.kind === kind && kind !== "away") return; // said already
    this.at.state.dataset.kind = kind;
    this.at.state.replaceChildren(...parts);
  }

  // -- filters and the shelf

  /** What the shop offers: its departments, categories, recommenders and spaces. */
  offer() {
    const { departments = [], categories = [], max_price: most } = this.config;
    const change = (name) => (event) => {
      this.filters[name] = event.target.value;
      this.tried(() => Promise.all([this.showShelf(), this.showForYou("With these filters")]));
    };
    const choice = (name, label, options) =>
      options.length &&
      h("label", h("span", label),
        h("select", { name, onchange: change(name) }, h("option", { value: "" }, "All"),
          options.map((one) => h("option", { value: one }, one))));
    const parts = [choice("department", "Department", departments), choice("category", "Category", categories)];
    if (most) {
      const top = Math.ceil(most / 10) * 10;
      const shown = h("output", "any");
      const slide = h("input", { type: "range", name: "max_price", min: 10, max: top, step: 5, value: top });
      const limit = () => (Number(slide.value) < top ? slide.value : "");
      slide.addEventListener("input", () => {
        shown.textContent = limit() ? `up to ${this.price(Number(limit()))}` : "any";
        slide.setAttribute("aria-valuetext", shown.textContent);
      });
      slide.addEventListener("change", () => change("max_price")({ target: { value: limit() } }));
      parts.push(h("label.price-filter", h("span", "Price"), slide, shown));
    }
    this.at.filters.replaceChildren(...parts.filter(Boolean));
    this.drawPanel();
  }

  price(value) {
    const currency = this.config?.currency || "EUR";
    return new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
  }

  /** The filters that are set, for when nothing passes them. */
  filtered() {
    const { department, category, max_price: most } = this.filters;
    const set = [department && `department: ${department}`, category && `category: ${category}`,
      most && `price up to ${this.price(Number(most))}`].filter(Boolean);
    return set.length ? `Filters: ${set.join("; ")}. Widen them to see more.` : "";
  }

  asking(more = {}) {
    const given = Object.entries({ ...this.filters, ...more }).filter(([, value]) => value !== "");
    return new URLSearchParams(given).toString();
  }

  async showShelf(offset = 0) {
    const asked = this.asking(this.query ? { q: this.query, k: SHELF } : { offset, limit: SHELF });
    const path = `${this.query ? "/search" : "/products"}?${asked}`;
    const answer = await this.newest("shelf", "GET", path);
    if (!answer) return;
    const found = answer.items.map((item) => (item.product ? item : { product: item }));
    const surface = this.query ? "search" : "shelf";
    const cards = found.map((item, at) => this.card(item, surface, offset + at + 1, answer));
    if (offset) this.at.grid.append(...cards);
    else this.at.grid.replaceChildren(...cards);
    const shown = this.at.grid.children.length;
    this.at.shelfHead.textContent = this.query ? `Found for “${this.query}”` : "All products";
    const total = answer.total ?? shown;
    const many = `${shown} of ${plural(total, "product")}`;
    const notes = inWords(answer.notes || "");
    this.at.found.textContent = this.query ? notes || plural(shown, "product") : many;
    if (!shown) this.at.found.textContent = ["Nothing is like that.", notes && `${notes}.`, this.filtered()].join(" ");
    this.at.more.hidden = Boolean(this.query) || shown >= total;
    this.at.clear.hidden = !this.query;
    this.markCart();
    if (offset) cards[0]?.querySelector("button").focus();
  }

  showMore() {
    this.tried(() => this.showShelf(this.at.grid.children.length));
  }

  async search(event) {
    event.preventDefault();
    this.query = this.at.q.value.trim();
    if (this.shown) this.go(null, false);
    await this.tried(() => this.showShelf());
    this.at.shelfHead.focus({ preventScroll: true });
    this.bring(this.at.shelfHead);
  }

  clearSearch() {
    this.query = this.at.q.value = "";
    this.tried(() => this.showShelf());
    this.at.shelfHead.focus();
  }

  // -- cards

  card(item, surface, place, list = {}) {
    const { product } = item;
    const name = named(product);
    const open = (event) => this.visit(product.item_id, card.surface, card.place, event.currentTarget);
    const actions = h("p.actions", this.adder(product, surface, place));
    if (item.score !== undefined) {
      actions.append(button(["Why this?", unseen(` ${name}`)], () => this.openWhy(card.item, card.list), "plain why"));
    }
    const card = h("li.card", { "data-item": product.item_id },
      h("button.open", { type: "button", onclick: open }, this.picture(product), h("span.name", name)),
      this.facts(product), actions);
    return Object.assign(card, { item, list, surface, place });
  }

  /** The button that puts a product into the cart, or takes it out; `markCart` writes on it what it would do. */
  adder(product, surface, place, look = "add") {
    const more = { "data-add": product.item_id, "data-name": named(product), "data-shut": product.in_stock === false };
    return button("Add", () => this.toggleCart(product, surface, place), look, more);
  }

  facts(product) {
    return h("p.facts", this.priceOf(product), product.on_sale && h("span.tag", "Sale"),
      product.in_stock === false && h("span.tag.out", "Out of stock"));
  }

  priceOf(product) {
    return typeof product.price === "number" && h("span.price", this.price(product.price));
  }

  picture(product) {
    const box = h("span.picture");
    const blank = () => box.replaceChildren(h("span.letter", { "aria-hidden": "true" }, named(product).slice(0, 1)));
    const source = this.options.picture(product.picture);
    const look = { alt: "", width: 240, height: 240, loading: "lazy", decoding: "async", onerror: blank };
    if (source) box.append(h("img", { ...look, src: source }));
    else blank();
    return box;
  }

  /** A list beside a product or the cart: heading and cards. Nothing where the list is empty. */
  async list(title, surface, method, path, body) {
    const answer = await this.line.ask(method, path, body);
    if (!answer.items.length) return null;
    const id = this.id(`list-${surface}`);
    const cards = answer.items.map((item, at) => this.card(item, surface, at + 1, answer));
    return h("section.list", { "aria-labelledby": id, "data-list": surface },
      h(this.heads[1], { id }, title), h("ul.row", { "aria-labelledby": id }, cards));
  }

  openWhy(item, list) {
    const parts = Object.entries(item.why || {});
    const most = Math.max(...parts.map(([, value]) => Math.abs(value)), 0);
    const sorted = parts.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    // A search that asks for no aspect lists what is popular; elsewhere popularity is a share, not a count.
    const counted = list.by === "search" && parts.length === 1 && parts[0][0] === "popularity";
    if (list.by === "popular" || counted) return this.openCount(item, list);
    const text = parts.length
      ? "What each aspect adds to the score. “shopper” is what your own clicks say; “like” is the product it " +
        "stands beside; the others hold for everybody."
      : `“${list.by}” gives one score and cannot say what it is made of.`;
    const product = h("div.why-product", this.picture(item.product), h("p", named(item.product)));
    const bars = h("ul.bars", sorted.map(([term, value]) => bar(term, value, most)));
    const sum = h("p.sum", h("span", parts.length ? "Together, the score" : "The score"),
      h("strong", { "data-score": String(item.score) }, number(item.score)));
    this.openDialog(this.at.why, "Why this?", product, h("p.note", text), bars, sum,
      h("p.note", `Made by: ${list.by}`));
  }

  /** Why a popular product is listed: its count says it all. */
  openCount(item, list) {
    const product = h("div.why-product", this.picture(item.product), h("p", named(item.product)));
    const told = `clicked ${whole(item.score)} ${item.score === 1 ? "time" : "times"}`;
    this.openDialog(this.at.why, "Why this?", product,
      h("p.note", "The same for everybody: what is clicked most comes first. (A shop without clicks counts buyers.)"),
      h("p.sum", h("strong", { "data-score": String(item.score) }, told)), h("p.note", `Made by: ${list.by}`));
  }

  // -- the row that follows each click

  async showForYou(cause = "") {
    const asked = this.asking({ k: LIST, by: this.by, weights: this.weights });
    const answer = await this.newest("for-you", "GET", `/for-you?${asked}`);
    if (!answer) return;
    this.degraded = answer.degraded || null;
    if (this.degraded) this.later("mending", 3000, () => this.tried(() => this.showForYou("The shop is whole again")));
    const ids = answer.items.map((item) => item.product.item_id);
    const made = moves(this.forYou, ids);
    const first = !this.forYou.length;
    const still = ids.join() === this.forYou.join();
    const { row } = this.at;
    const before = places(row);
    const focus = this.focusIn(row);
    const kept = new Map(Array.from(row.children, (card) => [card.dataset.item, card]));
    const cards = answer.items.map((item, at) => {
      // A card that stays is moved, not made anew: its focus and its picture stay.
      const card = kept.get(item.product.item_id) || this.card(item, "for-you", at + 1, answer);
      Object.assign(card, { item, list: answer, place: at + 1 });
      if (cause || !still) {
        card.querySelector(".move")?.remove();
        const sign = first ? null : mark(made.get(item.product.item_id));
        if (sign) card.querySelector(".open").append(sign);
      }
      return card;
    });
    row.replaceChildren(...cards);
    if (!still) row.scrollTo({ left: 0 });
    focus();
    glide(row, before);
    this.forYou = ids;
    if (!this.degraded && !answer.notes) this.madeBy(answer.by); // notes: somebody stands in
    if (!first && cause) this.at.moved.textContent = summary(made, cause);
    this.at.rowNote.textContent = answer.notes || (ids.length ? "" : `Nothing fits. ${this.filtered()}`.trim());
    this.at.rowNote.hidden = !this.at.rowNote.textContent;
    this.markCart();
  }

  /** Remember what has the focus within a list; what is returned gives it back, or to who took its place. */
  focusIn(list) {
    const held = list.contains(document.activeElement) ? document.activeElement : null;
    const at = held ? Array.from(list.children).indexOf(held.closest(".card")) : -1;
    const kind = ["open", "add", "why"].find((name) => held?.classList.contains(name));
    return () => {
      if (!held) return;
      const card = list.children[Math.min(at, list.children.length - 1)];
      const next = held.isConnected ? held : card?.querySelector(`button.${kind}`) || this.at.forYouHead;
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    };
  }

  /** Send what was done, then show what follows from it. True if the shop has it. */
  async did(event_type, item_ids, attr, cause) {
    const now = Date.now();
    const events = item_ids.map((item_id) => ({ event_type, item_id, event_attr: attr, at: now }));
    return this.tried(async () => {
      await this.outbox.send(...events);
      await Promise.all([this.showForYou(cause), this.showSession()]);
    });
  }

  // -- a product

  /** Somebody opens a product from a list: that is an event. Coming back to its address is none. */
  visit(item, surface, place, from) {
    if (item === this.shown) return; // a double click is one look
    this.from = this.shown ? this.from : { element: from, card: item, top: this.scroller.scrollTop };
    const name = from.querySelector(".name")?.textContent || item;
    this.did("clicked_on", [item], { surface, position: place }, `You looked at ${name}`);
    this.go(item);
  }

  go(item, focus = true) {
    if (this.options.page) {
      history.pushState(null, "", item ? `#/product/${encodeURIComponent(item)}` : location.pathname + location.search);
    } else this.address = item;
    return this.tried(() => this.route(focus));
  }

  async route(focus = true) {
    const [, given] = location.hash.match(/^#\/product\/(.+)$/) || [];
    const item = this.options.page ? given && decoded(given) : this.address;
    if (item === this.shown || (!item && !this.shown)) return;
    this.shown = item;
    if (item) await this.showProduct(item);
    else this.closeProduct(focus);
  }

  async showProduct(item) {
    const { product: box, shelf } = this.at;
    let product = null;
    try {
      product = await this.newest("product", "GET", `/products/${encodeURIComponent(item)}`);
    } catch (error) {
      this.shown = null; // to be tried again, unless it is not there
      if (error.status === STATUS.NOT_FOUND) {
        this.go(null);
        this.closeProduct(true);
      }
      throw error;
    }
    if (!product || this.shown !== item) return;
    const name = named(product);
    const told = ["brand", "department", "category", "style", "colour", "material"].filter((key) => product[key]);
    const heading = h(this.heads[0], { id: this.id("product"), tabindex: "-1" }, name);
    const text = h("div.text", heading, this.facts(product),
      product.description && h("p.description", product.description),
      h("dl.details", told.map((key) => h("div", h("dt", key), h("dd", String(product[key]))))),
      h("p.actions", this.adder(product, "product", 0, "add wide")));
    const lists = h("div.lists");
    box.replaceChildren(
      button("Close", () => this.go(null), "plain close"), h("div.main-part", this.picture(product), text), lists);
    box.hidden = false;
    shelf.hidden = true;
    this.at.main.classList.add("with-product");
    this.markCart();
    heading.focus({ preventScroll: true });
    // The row on top, so that one sees it move; the product alone on narrow screens, unless somebody presents.
    const row = this.scroller.clientWidth >= 700 || !this.at.panel.hidden;
    this.bring(row ? this.at.forYouHead : box);
    if (this.options.page) document.title = `${name} · The live shop`;
    const path = encodeURIComponent(item);
    const made = await Promise.all([
      this.list("Similar", "similar", "GET", `/similar/${path}?k=8`),
      this.list("Complete the look", "complete-the-look", "GET", `/complete-the-look/${path}`),
      this.list("Also bought", "also-bought", "POST", "/also-bought", { cart: [item], k: 8 }),
    ]);
    if (this.shown === item) lists.replaceChildren(...made.filter(Boolean));
    this.markCart();
  }

  /** Scroll to an element, below the head of the page. In a notebook the widget scrolls, not what is around it. */
  bring(target) {
    const edge = this.options.page ? 0 : this.root.getBoundingClientRect().top;
    const { head } = this.at;
    const covered = getComputedStyle(head).position === "sticky" ? head.offsetHeight : 0;
    const top = target.getBoundingClientRect().top - edge - covered - 16;
    this.scroller.scrollBy({ top, behavior: quiet() ? "auto" : "smooth" });
  }

  closeProduct(focus) {
    this.at.product.hidden = true;
    this.at.product.replaceChildren();
    this.at.shelf.hidden = false;
    this.at.main.classList.remove("with-product");
    if (this.options.page) document.title = "The live shop · recsys-lab";
    if (!focus) return;
    const { element, card, top } = this.from || {};
    const there = card && this.root.querySelector(`.card[data-item="${CSS.escape(card)}"] .open`);
    (element?.isConnected ? element : there || this.at.forYouHead).focus({ preventScroll: true });
    if (top !== undefined) this.scroller.scrollTo({ top });
    this.from = null;
  }

  // -- the cart

  async toggleCart(product, surface, place) {
    const id = product.item_id;
    const name = named(product);
    const inside = this.session.cart.includes(id);
    const now = `${name} is ${inside ? "out of" : "in"} the cart`;
    const attr = { surface, ...(place ? { position: place } : {}) };
    if (await this.did(inside ? "removed_from_cart" : "put_to_cart", [id], attr, now)) this.say(`${now}.`);
  }

  /** Buttons that add say what they would do now. */
  markCart() {
    const cart = new Set(this.session.cart);
    for (const one of this.root.querySelectorAll("[data-add]")) {
      const inside = cart.has(one.dataset.add);
      const long = one.classList.contains("wide");
      one.replaceChildren(inside ? (long ? "Remove from cart" : "Remove") : long ? "Add to cart" : "Add");
      if (!long) one.append(unseen(` ${one.dataset.name} ${inside ? "from" : "to"} cart`));
      one.classList.toggle("inside", inside);
      one.disabled = "shut" in one.dataset && !inside;
    }
    const count = h("span.count", String(cart.size));
    this.at.cartButton.replaceChildren("Cart ", count, unseen(cart.size === 1 ? " product" : " products"));
  }

  async openCart() {
    await this.tried(async () => {
      const { cart } = this.session;
      const products = (await Promise.all(cart.map((item) => this.product(item)))).filter(Boolean);
      const lines = products.map((product) =>
        h("li", { "data-line": product.item_id }, this.picture(product),
          h("span.name", named(product), this.priceOf(product)),
          button(["Remove", unseen(` ${named(product)}`)], () => this.takeOut(product), "plain")));
      const total = products.reduce((sum, product) => sum + (product.price || 0), 0);
      const content = lines.length
        ? [h("ul.lines", lines), h("p.sum", h("span", "Together"), h("strong", this.price(total))),
            button("Buy", () => this.buy(products), "buy wide")]
        : [h("p.note", "Nothing yet. Add a product from any list.")];
      this.openDialog(this.at.cart, "Cart", ...content);
      const more = lines.length ? await this.list("Goes with it", "also-bought", "POST", "/also-bought", { cart, k: 6 })
        : await this.list("Buy again", "buy-again", "GET", "/buy-again?k=6");
      if (more && this.at.cart.open) {
        this.at.cart.querySelector(".list")?.remove();
        more.addEventListener("click", (event) => event.target.closest(".open") && this.at.cart.close());
        this.at.cart.firstChild.append(more);
        this.markCart();
      }
    });
  }

  async product(item) {
    try {
      return await this.line.ask("GET", `/products/${encodeURIComponent(item)}`);
    } catch (error) {
      if (error.status === STATUS.NOT_FOUND) return null; // taken out of the shop meanwhile
      throw error;
    }
  }

  async takeOut(product) {
    await this.toggleCart(product, "cart", 0);
    await this.openCart();
  }

  async buy(products) {
    const ids = products.map((product) => product.item_id);
    const done = await this.did("buy", ids, { surface: "cart", quantity: 1 }, "You bought what was in the cart");
    this.at.cart.close();
    if (done) this.say(`Bought: ${plural(ids.length, "product")}. Thank you.`);
  }

  // -- the presenter's panel

  async showSession() {
    const answer = await this.newest("session", "GET", "/session");
    if (!answer) return;
    this.session = answer;
    this.markCart();
    this.showTaste();
  }

  openPanel(open) {
    this.at.panel.hidden = !open;
    this.at.toggle.setAttribute("aria-expanded", String(open));
    this.at.main.classList.toggle("with-panel", open);
  }

  togglePanel() {
    const open = this.at.panel.hidden;
    this.openPanel(open);
    this.kept.write("panel", open);
    this.showLatency();
    if (open) this.tried(() => this.showSession());
  }

  drawPanel() {
    const { spaces = [], recommenders = [] } = this.config;
    const part = (name, title, ...content) => {
      const id = this.id(name);
      return h(`section.part.${name}`, { "aria-labelledby": id }, h(this.heads[1], { id }, title), content);
    };
    const options = recommenders.map((name) =>
      h("label.pick",
        h("input", { type: "radio", name: this.id("by"), value: name, onchange: () => this.choose(name) }),
        h("span", name)));
    const heaviest = Math.max(...spaces.map(({ weight }) => weight));
    const sliders = spaces.map(({ name, weight }) => this.slider(name, weight, heaviest));
    this.at.weights = h("fieldset.sliders", h("legend.unseen", "Weight of each space"), sliders);
    const reset = button("Back to the shop's own", () => this.resetWeights(), "plain");
    Object.assign(this.at, { taste: h("div"), events: h("ol.log"), latency: h("div"), shopper: h("p.note") });
    const forget = button("Forget me", () => this.forget(), "plain");
    const head = this.at.panel.firstChild;
    this.at.panel.replaceChildren(
      head,
      part("recommenders", "Who makes the list", h("fieldset.picks", h("legend.unseen", "Recommender"), options)),
      part("taste", "What the shop believes", this.at.taste),
      part("events", "Events", this.at.shopper, this.at.events, forget),
      part("weights", "Weights", this.at.weights, reset),
      part("latency", "Latest requests", this.at.latency));
    this.showTaste();
  }

  slider(name, weight, heaviest) {
    const id = this.id(`weight-${name}`);
    const shown = h("output", { for: id }, number(weight, 2));
    const max = Math.max(2, 2 * weight, heaviest); // a light space can be made to count as much as the heaviest
    const slide = h("input", { type: "range", id, min: 0, max, step: 0.05, value: weight, "data-space": name });
    slide.dataset.own = slide.value; // as the slider has rounded it: untouched is not moved
    slide.addEventListener("input", () => {
      shown.textContent = number(Number(slide.value), 2);
      this.later("weighing", 120, () => this.weigh(name));
    });
    return h("p.slider", h("label", { for: id }, name.replaceAll("_", " ")), slide, shown);
  }

  weigh(name) {
    const slides = Array.from(this.at.weights.querySelectorAll("input"));
    const moved = slides.filter((slide) => Number(slide.value) !== Number(slide.dataset.own));
    this.weights = moved.map((slide) => `${slide.dataset.space}:${slide.value}`).join(",");
    const { value } = slides.find((slide) => slide.dataset.space === name);
    this.tried(() => this.showForYou(`With ${name} at ${number(Number(value), 2)}`));
  }

  resetWeights() {
    for (const slide of this.at.weights.querySelectorAll("input")) {
      slide.value = slide.dataset.own;
      slide.nextSibling.textContent = number(Number(slide.value), 2);
    }
    this.weights = "";
    this.tried(() => this.showForYou("With the shop's own weights"));
  }

  choose(name) {
    this.by = name;
    this.at.weights.disabled = name !== "live"; // by who was chosen, not by who stands in when nothing is known
    this.tried(() => this.showForYou(`With the list of “${name}”`));
  }

  /** Show who makes the list: who was chosen, else who made it. Who stands in is told by the row's note. */
  madeBy(name) {
    for (const one of this.at.panel.querySelectorAll(".pick input")) one.checked = one.value === (this.by || name);
  }

  showTaste() {
    if (!this.at.taste) return;
    const { taste = [], because = [], events = [], shopper } = this.session;
    const blocks = taste.map(({ space, says }) =>
      h("div.says", h("p.space", space), h("ul.bars", says.map(([word, value]) => bar(word, value, 1, 2)))));
    const sentences = because.length ? h("ul.because", because.map((one) => h("li", one))) : null;
    const empty = !blocks.length && !sentences && h("p.note", "Nothing yet: open a product.");
    this.at.taste.replaceChildren(...[empty, sentences, ...blocks].filter(Boolean));
    this.at.shopper.textContent = shopper ? `Shopper ${shopper}, latest first` : "";
    const fresh = new Set(this.seen);
    this.seen = events.map((event) => `${event.timestamp} ${event.event_type} ${event.item_id}`);
    this.at.events.replaceChildren(...events.slice(0, 20).map((event, at) =>
      h("li", { class: fresh.has(this.seen[at]) ? null : "fresh" },
        h("time", new Date(event.timestamp).toLocaleTimeString("en-GB")),
        h("span.kind", event.event_type), h("span.what", event.item_id))));
  }

  showLatency() {
    if (!this.at?.latency || this.at.panel.hidden) return;
    const held = this.line.taken.filter((one) => one.status);
    if (!held.length) return;
    const sorted = held.map((one) => one.ms).sort((a, b) => a - b);
    const middle = number(sorted[Math.floor(sorted.length / 2)], 1);
    const most = Math.max(...held.slice(0, 8).map((one) => one.ms));
    const rows = held.slice(0, 8).map((one) => bar(`${one.method} ${one.path}`, one.ms, most, 1));
    this.at.latency.replaceChildren(
      h("p.note", `Milliseconds, as seen here; median of the last ${held.length}: ${middle}`),
      h("ul.bars", rows));
  }

  async forget() {
    await this.tried(async () => {
      await this.outbox.flush();
      await this.line.ask("DELETE", "/session");
      this.say("Forgotten: the shop knows nothing of you.");
      await Promise.all([this.showForYou("You are forgotten"), this.showSession()]);
    });
  }
}

/** Draw the shop into `root`. Returns the function that takes it away. */
export function mount(root, api, options = {}) {
  const kept = { read: () => null, write: () => {} };
  const picture = (source) => (/^data:image\/svg\+xml[;,]/.test(source || "") ? source : null);
  const page = new Page(root, api, { page: false, kept, picture, ...options });
  page.start();
  return () => page.end();
}

// -- as a page: over HTTP ---------------------------------------------------------------------------------------------

const beside = (path) => new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;

async function overHttp(method, path, body) {
  const json = { "content-type": "application/json" };
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: json };
  const answer = await fetch(beside(path), { method, signal: AbortSignal.timeout(10_000), ...sent });
  const text = await answer.text();
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: text ? JSON.parse(text) : null };
}

/** What outlives a reload: the colours that were chosen, and events that are not acknowledged. Nothing secret. */
const inBrowser = {
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(`recsys-lab ${name}`));
    } catch {
      return null; // storage is switched off, or holds what another version wrote: the page works without
    }
  },
  write(name, value) {
    try {
      localStorage.setItem(`recsys-lab ${name}`, JSON.stringify(value));
    } catch {
      // Storage is full or switched off: what waits then lives as long as the page.
    }
  },
};

const place = globalThis.document?.querySelector("[data-shop=page]");
if (place) {
  const picture = (source) => (source?.startsWith("/pictures/") ? beside(source) : null);
  mount(place, overHttp, { page: true, kept: inBrowser, picture });
}

// -- as a widget: by messages to the kernel ---------------------------------------------------------------------------

function overMessages(model) {
  const mine = freshId(); // several views of one widget hear every answer
  const open = new Map();
  let count = 0;
  const hear = (message) => {
    open.get(message.n)?.(message);
    open.delete(message.n);
  };
  model.on("msg:custom", hear);
  const api = (method, path, body) =>
    new Promise((resolve, reject) => {
      const n = `${mine} ${++count}`;
      const late = setTimeout(() => open.delete(n) && reject(new Error("the kernel does not answer")), 30_000);
      open.set(n, (message) => {
        clearTimeout(late);
        resolve(message);
      });
      model.send({ n, method, path, body });
    });
  return { api, end: () => model.off("msg:custom", hear) };
}

/** A notebook's own colours, where it says which: JupyterLab by an attribute, Colab by one of its own. */
function notebookIsDark() {
  const jupyter = document.body.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "false";
  const colab = document.documentElement.getAttribute("theme");
  return colab ? colab === "dark" : undefined;
}

function render({ model, el }) {
  const { api, end } = overMessages(model);
  const root = el.appendChild(document.createElement("div"));
  const unmount = mount(root, api, { dark: notebookIsDark });
  return () => {
    unmount();
    end();
  };
}

export default { render };
