// The picture that is asked about: dropped, pasted, chosen, or a sample of the searched ones.
// Its bytes are sent as they are: whatever is made smaller here would change the answers.

import { Panel, Trouble, bytes } from "./requests.js";

const at = (id) => document.getElementById(id);
const TRIMMED = 4 / 3; // most of the longer side to the shorter one, where patches are to be seen

export class Picture {
  constructor(model) {
    this.model = model;
    this.file = null;
    this.longest = Infinity;
    this.panel = new Panel(at("picture"));
    this.listeners = [];
    at("file").addEventListener("change", (event) => this.take(event.target.files));
    document.addEventListener("paste", (event) => this.paste(event));
    document.addEventListener("dragover", (event) => this.over(event));
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? this.left());
    document.addEventListener("drop", (event) => this.drop(event));
    const sample = at("sample");
    sample.hidden = !model.search;
    sample.addEventListener("click", () => {
      this.fetch(Math.floor(Math.random() * model.search.total), "a sample");
    });
  }

  // `listener` is called after each new picture.
  changed(listener) {
    this.listeners.push(listener);
  }

  over(event) {
    event.preventDefault();
    at("stage").classList.add("over");
  }

  left() {
    at("stage").classList.remove("over");
  }

  drop(event) {
    event.preventDefault();
    this.left();
    this.take(event.dataTransfer.files);
  }

  paste(event) {
    const files = event.clipboardData?.files ?? [];
    if (!files.length) return; // text for a field
    event.preventDefault();
    this.take(files);
  }

  take(files) {
    if (!files.length) {
      this.panel.fail(new Trouble(
        "That was no file. Save the picture on this machine first, then drop or choose the file."));
      return;
    }
    this.panel.stop();
    this.set(files[0], files[0].name);
    at("file").value = ""; // so that the same file can be chosen again
  }

  // Takes the searched picture with this number.
  fetch(place, name) {
    return this.panel.run("Fetching the picture …",
      (signal) => bytes(`page/pictures/${place}`, { signal }),
      (file) => this.set(file, name));
  }

  // Shows and keeps a file; returns what to say.
  set(file, name) {
    this.file = file;
    const shown = at("shown");
    URL.revokeObjectURL(shown.src);
    shown.onload = () => this.fit();
    shown.onerror = () => {
      at("frame").hidden = true;
      at("hint").hidden = false;
      at("hint").textContent =
        "This browser cannot show the file. Whether the model reads it, its answer says.";
    };
    shown.alt = `The picture: ${name}`;
    shown.src = URL.createObjectURL(file);
    at("hint").hidden = true;
    at("frame").hidden = false;
    this.panel.done(name);
    for (const listener of this.listeners) listener();
    return name;
  }

  // Shows the whole picture, or, so that patches are not small, not much more than the model sees.
  trim(trimmed) {
    this.longest = trimmed ? TRIMMED : Infinity;
    if (at("shown").naturalWidth) this.fit();
  }

  // Lays the patches over what the model sees: the centre, cut from the resized picture.
  fit() {
    const { naturalWidth, naturalHeight } = at("shown");
    const shorter = Math.min(naturalWidth, naturalHeight);
    const width = Math.min(naturalWidth, shorter * this.longest);
    const height = Math.min(naturalHeight, shorter * this.longest);
    at("frame").style.setProperty("--ratio", width / height);
    const side = shorter / Math.max(1, this.model.resize ?? 1);
    const patches = at("patches").style;
    patches.width = `${100 * side / width}%`;
    patches.height = `${100 * side / height}%`;
    patches.left = `${50 * (width - side) / width}%`;
    patches.top = `${50 * (height - side) / height}%`;
  }

  // Whether there is a picture; where there is none, says in `panel` what to do.
  required(panel) {
    if (!this.file) {
      panel.stop();
      panel.fail(new Trouble("There is no picture yet. Drop, paste or choose one first."));
    }
    return Boolean(this.file);
  }
}

export { at };
