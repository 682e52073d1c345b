// The emotion over time: windows that show their place in the signal.

class Strip extends HTMLElement {
  connectedCallback() {
    this.follow = ({ detail }) => this.frame(detail);
    document.addEventListener("emg-view", this.follow);
    if (this.listens) return;
    this.listens = true;
    this.addEventListener("click", (event) => this.show(event.target.closest("button")));
    this.addEventListener("keydown", (event) => this.key(event));
    for (const type of ["pointerover", "focusin"]) {
      this.addEventListener(type, (event) => this.tell(event.target.closest("button")));
    }
    for (const type of ["pointerleave", "focusout"]) {
      this.addEventListener(type, () => this.tell(null));
    }
  }

  disconnectedCallback() {
    document.removeEventListener("emg-view", this.follow);
  }

  show(button) {
    if (!button) return;
    const { start, end } = button.dataset;
    document.querySelector("emg-signal")?.go(Number(start), Number(end));
  }

  // The arrows go from window to window, in whichever lane it lies.
  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const buttons = [...this.querySelectorAll("button")];
    buttons.sort((a, b) => a.dataset.start - b.dataset.start);
    const next = buttons[buttons.indexOf(event.target) + step];
    if (!step || !next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }

  tell(button) {
    const said = button?.getAttribute("aria-label") ?? this.dataset.summary;
    this.querySelector("output").textContent = said;
  }

  // A frame around what the signal shows, if that is a part.
  frame({ view, whole }) {
    const [first, last] = JSON.parse(this.dataset.whole), { style } = this.querySelector(".frame");
    const share = (t) => (100 * (t - first)) / (last - first);
    style.display = view[1] - view[0] < (whole[1] - whole[0]) * 0.999 ? "block" : "none";
    style.left = `${share(view[0])}%`;
    style.width = `${share(view[1]) - share(view[0])}%`;
  }
}

customElements.define("emg-strip", Strip);
