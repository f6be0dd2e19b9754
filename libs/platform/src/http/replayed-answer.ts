/**
 * The recorded answer of an earlier request, thrown past the stages that are left: nothing of the route may run again.
 * The dialect filter sends it.
 */
export class ReplayedAnswer extends Error {
  constructor(
    readonly status: number,
    /** JSON text, or null for an empty answer. */
    readonly body: Buffer | null,
  ) {
    super('This request was answered before');
    this.name = 'ReplayedAnswer';
  }
}
