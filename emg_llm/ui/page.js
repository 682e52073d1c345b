// The page's own elements: a face that shows levels over time, and an answer that can be guessed.

// Viridis (Smith & van der Walt, 2015): perceptually uniform, for colour-blind readers too.
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962",
  "#addc30", "#fde725"].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
const STEP_MS = 100;

function colour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[i].map((c, k) => Math.round(c + (at - i) * (VIRIDIS[i + 1][k] - c)));
  return `rgb(${mixed.join(" ")})`;
}

function number(value, digits = 1) {
  return value.toFixed(digits).replace("-", "−");
}

// Dim all rows of the signal but those of one channel; null shows all again.
function highlight(channel) {
  for (const signal of document.querySelectorAll("emg-signal")) signal.highlight?.(channel);
}

class Face extends HTMLElement {
  static observedAttributes = ["data-face"];

  connectedCallback() {
    this.show();
    if (this.listens) return;
    this.listens = true;
    this.addEventListener("input", () => this.paint());
    this.addEventListener("click", (event) => {
      if (event.target.closest(".play")) this.timer ? this.stop() : this.play();
      else if (event.target.closest(".site")) this.look(event.target);
    });
    for (const type of ["pointerover", "focusin"]) {
      this.addEventListener(type, (event) => this.look(event.target));
    }
    this.addEventListener("pointerleave", () => this.look(document.activeElement));
    this.addEventListener("focusout", () => this.look(null));
  }

  disconnectedCallback() {
    this.stop();
    highlight(null);
  }

  attributeChangedCallback() {
    // Gradio patches the old page into the new one, attributes before children.
    if (this.isConnected) requestAnimationFrame(() => this.show());
  }

  show() {
    this.stop();
    this.data = JSON.parse(this.dataset.face);
    this.slider = this.querySelector("input");
    this.slider.value = 0;
    this.chosen = null;
    highlight(null);
    const stops = VIRIDIS.map((_, i) => colour(i / (VIRIDIS.length - 1)));
    this.querySelector(".scale i").style.background = `linear-gradient(to right, ${stops})`;
    this.paint();
  }

  // The value of a site at the slider's time; its first place stands for the whole recording.
  value(site) {
    const at = Number(this.slider.value);
    return at ? site.values[at - 1] : site.whole;
  }

  paint() {
    const { low, high, start, step, sites } = this.data;
    for (const mark of this.querySelectorAll(".site")) {
      const site = sites[mark.dataset.k];
      const value = this.value(site);
      const share = value === null ? 0 : Math.min(Math.max((value - low) / (high - low), 0), 1);
      mark.classList.toggle("silent", value === null);
      mark.style.setProperty("--colour", colour(share));
      mark.style.setProperty("--size", 1 + 1.1 * share);
      mark.setAttribute("aria-label", `${site.channel}: ${this.words(value)}`);
    }
    const at = Number(this.slider.value);
    const middle = number(start + (at - 0.5) * step, 2);
    const when = at ? `${middle} s` : "whole recording";
    this.querySelector("output").textContent = when;
    this.slider.setAttribute("aria-valuetext", when);
    this.read();
  }

  words(value) {
    if (value === null) return "no signal";
    const sign = this.data.unit === "dB" && value > 0 ? "+" : "";
    return `${sign}${number(value)}\u00a0${this.data.unit}`;
  }

  // Name the chosen site, or else the strongest.
  read() {
    const known = this.data.sites.filter((site) => this.value(site) !== null);
    const strongest = known.sort((a, b) => this.value(b) - this.value(a))[0];
    const site = this.chosen ?? strongest;
    const text = !site ? "No signal here"
      : `${this.chosen ? "" : "Strongest: "}${site.channel}, ${this.words(this.value(site))}`;
    this.querySelector(".readout").textContent = text;
  }

  look(target) {
    const mark = target?.closest?.(".site");
    const site = mark && this.contains(mark) ? this.data.sites[mark.dataset.k] : null;
    if (site === this.chosen) return;
    this.chosen = site;
    highlight(site?.channel ?? null);
    this.read();
  }

  play() {
    const last = Number(this.slider.max);
    if (Number(this.slider.value) >= last) this.slider.value = 0;
    this.playing(true);
    this.timer = setInterval(() => {
      const next = Number(this.slider.value) + 1;
      this.slider.value = next > last ? 0 : next;
      this.paint();
      if (next > last) this.stop();
    }, STEP_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing(false);
  }

  playing(on) {
    const button = this.querySelector(".play");
    button?.classList.toggle("on", on);
    button?.setAttribute("aria-label", on ? "Pause" : "Play");
    // A screen reader would read each step.
    this.querySelector(".readout")?.setAttribute("aria-live", on ? "off" : "polite");
  }
}

customElements.define("emg-face", Face);

class Guess extends HTMLElement {
  connectedCallback() {
    if (this.listens) return;
    this.listens = true;
    this.addEventListener("click", (event) => {
      const button = event.target.closest(".question button");
      if (button) this.reveal(button.value);
    });
  }

  reveal(guess) {
    const { truth } = this.dataset;
    const made = `it was simulated as ${truth}.`;
    const said = guess === truth ? "You are right: " : guess ? `You guessed ${guess}; ` : "";
    const note = this.querySelector(".guessed");
    note.textContent = said ? said + made : made[0].toUpperCase() + made.slice(1);
    note.hidden = false;
    const answer = this.querySelector(".revealed");
    answer.hidden = false;
    this.querySelector(".question").hidden = true;
    this.classList.add("done");
    answer.focus({ preventScroll: true });
  }
}

customElements.define("emg-guess", Guess);
