import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { type CapturedSession, sessionNotFound } from '../captured-session.js';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { SessionsRepository } from '../sessions.repository.js';
import {
  assertActive,
  isPassOf,
  issuePass,
  type ShareLink,
  shareLinkNotFound,
  type SharePass,
  tokenDigest,
} from './share-link.js';
import { ShareGuesses } from './share-guesses.js';
import { ShareLinksRepository } from './share-links.repository.js';
import { SharePasswords } from './share-passwords.js';

/** What somebody shows to be let in. */
export interface ShareProof {
  readonly password: string | null;
  /** From an earlier visit. */
  readonly pass: string | null;
  /** Where guesses come from. */
  readonly address: string;
}

export interface SharedSession {
  readonly link: ShareLink;
  readonly session: CapturedSession;
  /** What must not be in anything that is shown of it. */
  readonly rules: OutwardRules | null;
}

/** Lets whoever has a link in, in the order of sessionfs-1.md §7.10: existence, revoked, expired, password, session. */
@Injectable()
export class SharedAccess {
  constructor(
    private readonly links: ShareLinksRepository,
    private readonly sessions: SessionsRepository,
    private readonly guesses: ShareGuesses,
    private readonly passwords: SharePasswords,
    private readonly dlp: DlpGate,
    private readonly clock: Clock,
  ) {}

  /** Errors: `not_found`, `gone`, `unauthorized`, `rate_limited`. */
  async open(token: string, proof: ShareProof): Promise<SharedSession> {
    const digest = tokenDigest(token);
    const link = digest === null ? null : await this.links.findByToken(digest);
    if (!link) throw shareLinkNotFound();
    assertActive(link, this.clock.date());
    await this.assertAdmitted(link, proof);
    const session = await this.sessions.findByUid(link.sessionUid);
    if (!session) throw sessionNotFound();
    if (session.deletedAt) throw new DomainError('gone', 'Session has been deleted');
    return { link, session, rules: await this.dlp.outwardRules(session) };
  }

  /** For a browser that gave the password; null when the link takes none. */
  passFor({ link }: SharedSession): SharePass | null {
    return issuePass(link, this.clock.date());
  }

  countView({ link }: SharedSession): Promise<void> {
    return this.links.countView(link.id, this.clock.date());
  }

  private async assertAdmitted(link: ShareLink, { password, pass, address }: ShareProof): Promise<void> {
    const { id, passwordHash } = link;
    if (passwordHash === null) return;
    if (password === null) {
      if (pass !== null && isPassOf(link, pass, this.clock.date())) return;
      throw new DomainError('unauthorized', 'Password required');
    }
    if (await this.guesses.judge(id, address, () => this.passwords.matches(password, passwordHash))) return;
    throw new DomainError('unauthorized', 'Invalid password');
  }
}
