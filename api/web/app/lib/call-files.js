import { Upload } from './tus.js';

// Shelf holds the files that this side is about to share, each an Upload with
// an id. They go one after another: the pictures need the network, too.
export class Shelf {
  constructor({ call, onChange }) {
    Object.assign(this, { call, onChange });
    this.uploads = [];
    this.next = 0;
    this.running = null;
  }

  // add queues files. Those that are too large are refused at once.
  add(files) {
    for (const file of files) {
      const upload = new Upload({
        url: this.call.files(),
        file,
        authorize: this.call.authorize,
        onChange: this.onChange,
      });
      upload.id = this.next++;
      if (file.size > this.call.view.limits.fileBytes) {
        upload.state = 'failed';
        upload.tooLarge = true;
      }
      this.uploads = [...this.uploads, upload];
    }
    this.onChange();
    this.#run();
  }

  // again goes on with a file that failed.
  again(upload) {
    upload.state = 'waiting';
    this.onChange();
    this.#run();
  }

  // cancel gives a file up and forgets it.
  cancel(upload) {
    upload.cancel();
    this.uploads = this.uploads.filter((u) => u !== upload);
    this.onChange();
  }

  stop() {
    for (const upload of this.uploads) if (upload.state !== 'done') upload.pause();
    this.uploads = [];
  }

  async #run() {
    if (this.running) return;
    this.running = this.uploads.find((u) => u.state === 'waiting');
    if (!this.running) return;
    await this.running.run();
    // A whole file is an activity now.
    this.uploads = this.uploads.filter((u) => u.state !== 'done');
    this.running = null;
    this.onChange();
    this.#run();
  }
}
