import { Injectable } from '@nestjs/common';
import type { Preview, PreviewKind } from './preview.js';

/** The previews that run by way of this process. */
@Injectable()
export class RunningPreviews {
  private readonly byId = new Map<string, Preview>();
  private readonly starts = new Map<string, Promise<Preview>>();

  find(id: string): Preview | undefined {
    return this.byId.get(id);
  }

  of(sandboxId: string, kind: PreviewKind): Preview | undefined {
    return [...this.byId.values()].find((preview) => preview.sandboxId === sandboxId && preview.kind === kind);
  }

  add(preview: Preview): void {
    this.byId.set(preview.id, preview);
  }

  /** Nobody gets in any more; who is in is put out. */
  async remove({ id, entrance }: Preview): Promise<void> {
    this.byId.delete(id);
    await entrance.close();
  }

  /** Whoever asks while one is being started gets that one. */
  once(sandboxId: string, kind: PreviewKind, start: () => Promise<Preview>): Promise<Preview> {
    const key = `${sandboxId} ${kind}`;
    const begun = this.starts.get(key);
    if (begun) return begun;
    const started = start().finally(() => this.starts.delete(key));
    this.starts.set(key, started);
    return started;
  }
}
