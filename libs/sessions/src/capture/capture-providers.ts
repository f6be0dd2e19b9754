import { CaptureConsumer } from './capture-consumer.js';
import { CaptureOwners } from './capture-owners.js';
import { ConversationCapture } from './conversation-capture.js';

/** What records the conversations held in sandboxes. */
export const CAPTURE_PROVIDERS = [CaptureConsumer, CaptureOwners, ConversationCapture];
