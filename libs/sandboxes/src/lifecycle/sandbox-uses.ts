import { Injectable } from '@nestjs/common';

/** What is under way in the sandboxes of this process. Marks need no cleaning up after a crash: they die with it. */
@Injectable()
export class SandboxUses {
  private readonly marks = new Map<string, Set<AbortController>>();

  /** The signal asks for an end: the sandbox is being stopped. */
  begin(id: string): { readonly signal: AbortSignal; end(): void } {
    const mark = new AbortController();
    const marks = this.marks.get(id) ?? new Set();
    this.marks.set(id, marks.add(mark));
    return {
      signal: mark.signal,
      end: () => {
        marks.delete(mark);
        if (marks.size === 0 && this.marks.get(id) === marks) this.marks.delete(id);
      },
    };
  }

  isBusy(id: string): boolean {
    return this.marks.has(id);
  }

  busy(): string[] {
    return [...this.marks.keys()];
  }

  abort(id: string, reason: Error): void {
    for (const mark of this.marks.get(id) ?? []) mark.abort(reason);
  }
}
