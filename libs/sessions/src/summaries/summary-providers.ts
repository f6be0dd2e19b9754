import type { Provider } from '@nestjs/common';
import { NarrativeRefresh } from './narrative-refresh.js';
import { NarrativeJobs } from './narrative.jobs.js';
import { NarrativesService } from './narratives.service.js';
import { Narrator } from './narrator.js';
import { SummariesRepository } from './summaries.repository.js';
import { SummariesService } from './summaries.service.js';
import { SummaryReader } from './summary-reader.js';

export const SUMMARY_PROVIDERS: Provider[] = [
  NarrativeJobs,
  NarrativeRefresh,
  NarrativesService,
  Narrator,
  SummariesRepository,
  SummariesService,
  SummaryReader,
];
