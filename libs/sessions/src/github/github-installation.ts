/** Where our GitHub App was installed; GitHub tells us by webhook, and a person claims it. */
export interface GithubInstallation {
  /** GitHub's. */
  readonly id: string;
  readonly accountLogin: string;
  readonly accountType: string;
  readonly userId: string | null;
  readonly options: GithubOptions;
  readonly createdAt: Date;
}

/** What is said under pull requests. */
export interface GithubOptions {
  readonly autoComment: boolean;
  readonly includeTrustScore: boolean;
  readonly includeSessionLinks: boolean;
}

export const DEFAULT_OPTIONS: GithubOptions = { autoComment: true, includeTrustScore: true, includeSessionLinks: true };

/** Whoever installs the app claims it right away; later, its id alone proves nothing. */
export const CLAIM_MINUTES = 15;
