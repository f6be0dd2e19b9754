import type { Provider } from '@nestjs/common';
import { AuditDispatch } from './audit-dispatch.js';
import { AuditRequests } from './audit-requests.service.js';
import { AuditRunner } from './audit-runner.js';
import { AuditStarts } from './audit-starts.js';
import { AuditTriggers } from './audit-triggers.js';
import { AuditWork } from './audit-work.js';
import { AuditsRepository } from './audits.repository.js';
import { AuditsService } from './audits.service.js';
import { JudgeChoice } from './judge-choice.js';
import { ModelJudge } from './model-judge.js';

export const AUDIT_PROVIDERS: Provider[] = [
  AuditDispatch,
  AuditRequests,
  AuditRunner,
  AuditStarts,
  AuditTriggers,
  AuditWork,
  AuditsRepository,
  AuditsService,
  JudgeChoice,
  ModelJudge,
];
