import type { Provider } from '@nestjs/common';
import { BookmarksRepository } from './bookmarks.repository.js';
import { BookmarksService } from './bookmarks.service.js';

/** What the module of captured sessions has for bookmarks. */
export const BOOKMARK_PROVIDERS: Provider[] = [BookmarksRepository, BookmarksService];
