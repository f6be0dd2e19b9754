import type { Provider } from '@nestjs/common';
import { ClaimScreening } from './claim-screening.js';
import { HandoffClaimsService } from './handoff-claims.service.js';
import { HandoffCreationService } from './handoff-creation.service.js';
import { HandoffExpiry } from './handoff-expiry.js';
import { HandoffJournal } from './handoff-journal.js';
import { HandoffMails } from './handoff-mails.js';
import { HandoffParties } from './handoff-parties.js';
import { HandoffSummariesService } from './handoff-summaries.service.js';
import { HandoffTerms } from './handoff-terms.js';
import { HandoffThreadRepository } from './handoff-thread.repository.js';
import { HandoffThreadService } from './handoff-thread.service.js';
import { HandoffsRepository } from './handoffs.repository.js';
import { HandoffsService } from './handoffs.service.js';
import { NoProjects, ProvenanceLookup } from './provenance-lookup.js';
import { SessionCopies } from './session-copies.js';

/** What the module of captured sessions has for handoffs. */
export const HANDOFF_PROVIDERS: Provider[] = [
  ClaimScreening,
  HandoffClaimsService,
  HandoffCreationService,
  HandoffExpiry,
  HandoffJournal,
  HandoffMails,
  HandoffParties,
  HandoffSummariesService,
  HandoffTerms,
  HandoffThreadRepository,
  HandoffThreadService,
  HandoffsRepository,
  HandoffsService,
  SessionCopies,
  { provide: ProvenanceLookup, useClass: NoProjects },
];
