// The question where each channel was: a tap on the face answers it, and the next one is asked.

class Sites extends HTMLElement {
  static observedAttributes = ["data-sites"];

  connectedCallback() {
    // The signal may be drawn after the face.
    this.follow = () => this.light();
    document.addEventListener("emg-view", this.follow);
    this.show();
    if (this.listens) return;
    this.listens = true;
    this.addEventListener("click", ({ target }) => this.act(target));
    this.addEventListener("keydown", (event) => {
      if (!event.target.closest(".place") || !["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      this.act(event.target);
    });
    for (const type of ["pointerover", "focusin"]) {
      this.addEventListener(type, ({ target }) => this.look(target.closest(".place")));
    }
    for (const type of ["pointerleave", "focusout"]) {
      this.addEventListener(type, () => this.look(null));
    }
  }

  disconnectedCallback() {
    document.removeEventListener("emg-view", this.follow);
    highlight(null);
  }

  attributeChangedCallback() {
    // Gradio patches the old page into the new one, attributes before children.
    if (this.isConnected) requestAnimationFrame(() => this.show());
  }

  show() {
    if (!this.isConnected) return;
    this.data = JSON.parse(this.dataset.sites);
    [this.chosen, this.looked] = [[], null]; // a place for each channel so far, null for none
    this.paint();
  }

  act(target) {
    const site = target.closest(".place")?.dataset.site;
    const act = target.closest("button")?.dataset.act;
    if (this.done || (!site && !act) || this.chosen.includes(site)) return;
    if (act === "back") this.chosen.pop();
    else if (act === "all") this.chosen = this.data.standard.map((name) => `${name} left`);
    else this.chosen.push(site ?? null);
    this.paint();
    if (!this.done) return;
    const detail = { key: this.data.key, sites: act === "all" ? this.data.standard : this.chosen };
    this.dispatchEvent(new CustomEvent("emg-sites", { bubbles: true, detail }));
  }

  get done() {
    return this.chosen.length === this.data.channels.length;
  }

  // The channel at a place, or else undefined.
  channel(place) {
    return this.data.channels[this.chosen.indexOf(place?.dataset.site)];
  }

  paint() {
    const { channels } = this.data, k = this.chosen.length;
    this.querySelector(".asks").textContent = this.done ? "Reading with these sites…"
      : `Where was ${channels[k]}?`;
    for (const place of this.querySelectorAll(".place")) {
      const channel = this.channel(place), at = this.chosen.indexOf(place.dataset.site);
      place.querySelector("text").textContent = at < 0 ? "" : at + 1;
      place.setAttribute("aria-label", this.words(place));
      place.setAttribute("aria-disabled", channel !== undefined || this.done);
      place.classList.toggle("taken", at >= 0);
    }
    for (const button of this.querySelectorAll("button")) {
      button.disabled = this.done || (button.dataset.act === "back" && !k);
    }
    this.light();
  }

  words(place) {
    const channel = this.channel(place);
    return channel === undefined ? place.dataset.label : `${place.dataset.label}: ${channel}`;
  }

  look(place) {
    this.looked = place;
    this.light();
  }

  // Name the site in question; show the signal of its channel, or of the one that is asked for.
  light() {
    highlight(this.channel(this.looked) ?? this.data.channels[this.chosen.length] ?? null);
    this.querySelector(".readout").textContent = this.looked ? this.words(this.looked)
      : "R and L are the person’s own right and left.";
  }
}

customElements.define("emg-sites", Sites);
