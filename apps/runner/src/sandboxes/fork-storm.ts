/** Refusals between two looks that no program causes which minds them: shells wait, builds give up. */
const REFUSED_AT_ONCE = 200;
const LOOKS = 2;

/**
 * Tells a fork bomb from a command that asks for some processes too many: the kernel refuses both, but a bomb asks again
 * and again, which keeps locks busy that the whole machine forks under.
 */
export class ForkStorm {
  private before: number;
  private looks = 0;

  /** `refused`: how often the kernel has refused the sandbox a process so far. */
  constructor(private readonly refused: () => number) {
    this.before = refused();
  }

  /** To be asked in short intervals: whether it has gone on for some of them. */
  isRaging(): boolean {
    const now = this.refused();
    this.looks = now - this.before >= REFUSED_AT_ONCE ? this.looks + 1 : 0;
    this.before = now;
    return this.looks >= LOOKS;
  }
}
