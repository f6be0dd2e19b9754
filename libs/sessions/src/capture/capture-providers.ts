import { CaptureAttempts } from './capture-attempts.js';
import { CaptureConsumer } from './capture-consumer.js';
import { CaptureOwners } from './capture-owners.js';
import { CapturePace } from './capture-pace.js';
import { ConversationCapture } from './conversation-capture.js';
import { DueCaptures } from './due-captures.js';

/** What records the conversations held in sandboxes. */
export const CAPTURE_PROVIDERS = [
  CaptureAttempts,
  CaptureConsumer,
  CaptureOwners,
  CapturePace,
  ConversationCapture,
  DueCaptures,
];
