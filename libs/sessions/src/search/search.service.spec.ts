import type { Principal } from '#platform';
import type { ReadableSessions } from '../readable-sessions.js';
import type { SearchFilters, SearchRepository } from './search.repository.js';
import { SearchService } from './search.service.js';

it('says so when the database ends a search that took too long, and lets other failures be failures', async () => {
  const find = (failure: Error): Promise<unknown> => {
    const repository = { analyse: () => Promise.reject(failure) } as unknown as SearchRepository;
    const readable = { parametersOf: () => Promise.resolve([]) } as unknown as ReadableSessions;
    const place = { limit: 20, offset: 0, after: null };
    return new SearchService(repository, readable).find({} as Principal, 'word', {} as SearchFilters, place);
  };
  const ended = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  await expect(find(ended)).rejects.toMatchObject({ code: 'timeout', reason: 'search_timeout', cause: ended });
  const broken = Object.assign(new Error('disk on fire'), { code: '58030' });
  await expect(find(broken)).rejects.toBe(broken);
});
