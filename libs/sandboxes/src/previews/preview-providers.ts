import type { Provider } from '@nestjs/common';
import { PreviewAddresses } from './preview-addresses.js';
import { PreviewDoor } from './preview-door.js';
import { PreviewServers } from './preview-servers.js';
import { PreviewsRepository } from './previews.repository.js';
import { PreviewsService } from './previews.service.js';
import { RunningPreviews } from './running-previews.js';

/** What runs in a sandbox, in a browser. */
export const PREVIEW_PROVIDERS: Provider[] = [
  PreviewAddresses,
  PreviewDoor,
  PreviewServers,
  PreviewsRepository,
  PreviewsService,
  RunningPreviews,
];
