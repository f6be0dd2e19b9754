import { ReadableSessions } from '../readable-sessions.js';
import { ReindexService } from './reindex.service.js';
import { SearchIndexRepository } from './search-index.repository.js';
import { SearchIndexing } from './search-indexing.js';
import { SearchRepository } from './search.repository.js';
import { SearchService } from './search.service.js';

/** What keeps the search index, and what asks it. */
export const SEARCH_PROVIDERS = [
  ReadableSessions,
  ReindexService,
  SearchIndexing,
  SearchIndexRepository,
  SearchRepository,
  SearchService,
];
