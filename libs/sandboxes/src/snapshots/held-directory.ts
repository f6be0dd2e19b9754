import { closeSync, constants, openSync } from 'node:fs';

/** Paths relative to an open directory: however deep it lies, and whatever its name is made of. */
export class HeldDirectory {
  private constructor(readonly fd: number) {}

  static at(path: string | Buffer): HeldDirectory {
    return new HeldDirectory(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  }

  pathOf(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), name]);
  }

  get self(): string {
    return `/proc/self/fd/${this.fd}/.`;
  }

  close(): void {
    closeSync(this.fd);
  }
}
