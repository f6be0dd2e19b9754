import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, type Principal, smtpOptions } from '#platform';
import { UsersService } from './users.service.js';

/** Demands a proven address of callers whose writes others may come to see (sessionfs-1.md §3.2, 11). */
@Injectable()
export class VerifiedEmail {
  constructor(
    private readonly users: UsersService,
    private readonly config: AppConfig,
  ) {}

  /** Nobody could prove an address to a server that sends no mail: there everybody passes (DESIGN §4). Errors: `forbidden`. */
  async assertOf(caller: Pick<Principal, 'userId'>): Promise<void> {
    if (smtpOptions(this.config) === null) return;
    const { emailVerified } = await this.users.get(caller.userId);
    if (emailVerified) return;
    throw new DomainError('forbidden', 'Email not verified. Check your inbox for the verification link.');
  }
}
