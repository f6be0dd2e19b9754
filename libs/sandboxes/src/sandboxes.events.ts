/** Subject: the sandbox. Payload: `surface`. */
export const SANDBOX_CREATED = 'sandbox.created';
/** Subject: the sandbox. It is gone for everybody; what it leaves behind is removed after this. */
export const SANDBOX_DESTROYED = 'sandbox.destroyed';
/** Subject: the sandbox. Payload: `fields`. */
export const SANDBOX_CHANGED = 'sandbox.changed';
/** Subject: the sandbox. Payload: `from`, `to`. */
export const SANDBOX_STATE_CHANGED = 'sandbox.state-changed';
/** Subject: the sandbox. Payload: `chat_id`. */
export const CHAT_CREATED = 'chat.created';
/** Subject: the sandbox. Payload: `chat_id`, `fields`. */
export const CHAT_CHANGED = 'chat.changed';
/** Subject: the sandbox. Payload: `chat_id`. */
export const CHAT_DELETED = 'chat.deleted';
/** Subject: the sandbox. Payload: `chat_id`, `message_id`, `status`. */
export const CHAT_MESSAGE_STORED = 'chat.message-stored';
/** Subject: the sandbox. Payload: `chat_id`, `message_ids`. */
export const CHAT_MESSAGES_DELETED = 'chat.messages-deleted';
/** Subject: the sandbox. Payload: `chat_id`, `run_id`. */
export const CHAT_RUN_STARTED = 'chat.run-started';
/** Subject: the sandbox. Payload: `chat_id`, `run_id`, `status`, `message_id` if it said anything. */
export const CHAT_RUN_ENDED = 'chat.run-ended';
/** Subject: the sandbox through which it was done. Payload: `path` in the workspace. */
export const FILE_WRITTEN = 'sandbox.file-written';
/** As FILE_WRITTEN; also of a directory. */
export const FILE_DELETED = 'sandbox.file-deleted';
/** Subject: the sandbox. Payload: `paths` in its checkout; none for all. */
export const SANDBOX_CHANGES_DISCARDED = 'sandbox.changes-discarded';
/** Subject: the sandbox. Payload: `target`, `reason`. */
export const SANDBOX_EGRESS_DENIED = 'sandbox.egress-denied';
/** Subject: the sandbox. Payload: `response_id`. */
export const RESPONSE_STARTED = 'sandbox.response-started';
/** Subject: the sandbox. Payload: `response_id`, `status`, `input_tokens`, `output_tokens`. */
export const RESPONSE_ENDED = 'sandbox.response-ended';
/** Subject: the sandbox. Payload: `execution_id`. */
export const COMMAND_STARTED = 'sandbox.command-started';
/** Subject: the skill, by its name. Payload: `version_id`. */
export const SKILL_UPLOADED = 'skill.uploaded';
/** Subject: the skill, by its name. */
export const SKILL_DELETED = 'skill.deleted';
/** Subject: the account. Payload: `snapshot_id`, with which its new sandboxes begin. */
export const ACCOUNT_SANDBOXES_CHANGED = 'account.sandboxes-changed';
