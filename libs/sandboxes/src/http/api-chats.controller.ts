import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { ApiFailures, Caller, LenientBody, type Principal, RequireScopes } from '#platform';
import { ChatAgent } from '../chat-runs/chat-agent.js';
import { ChatMessagesService } from '../chats/chat-messages.service.js';
import { ChatsService } from '../chats/chats.service.js';
import {
  ApiAccountChatList,
  ApiAccountChatQuery,
  ApiAddChatBody,
  ApiChat,
  ApiChatList,
  ApiChatListQuery,
  ApiDeletedMessages,
  ApiEditChatBody,
  ApiMessagesQuery,
  ApiOneChat,
  ApiPutMessageBody,
  ApiStoredMessage,
  ApiWholeChat,
} from './api-chats.dto.js';
import { ApiSuccess } from './api-sessions.dto.js';

@ApiTags('Sandbox chats')
@Controller('api')
export class ApiChatsController {
  constructor(
    private readonly chats: ChatsService,
    private readonly messages: ChatMessagesService,
    private readonly agent: ChatAgent,
  ) {}

  /** Chats that somebody wrote in, of all sessions that are not archived, last changed first. */
  @Get('chats')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAccountChats', summary: "List an account's chats" })
  @ApiOkResponse({ type: ApiAccountChatList })
  async listOfAccount(@Caller() caller: Principal, @Query() query: ApiAccountChatQuery): Promise<ApiAccountChatList> {
    const list = ApiAccountChatQuery.toList(query, caller.accountId);
    return ApiAccountChatList.from(await this.chats.listOfAccount(caller, list));
  }

  /** The session's chats, oldest first; beyond 500 in pages. */
  @Get('sessions/:session_id/chats')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listChats', summary: "List a session's chats" })
  @ApiOkResponse({ type: ApiChatList })
  async list(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Query() query: ApiChatListQuery,
  ): Promise<ApiChatList> {
    const page = await this.chats.list(caller, sessionId, ApiChatListQuery.toPage(query));
    return ApiChatList.from(page, this.agent.defaultModel);
  }

  /** A further chat. One the session has already under the given id is answered as it is. */
  @Post('sessions/:session_id/chats')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @LenientBody()
  @ApiOperation({ operationId: 'addChat', summary: 'Add a chat' })
  @ApiBody({ type: ApiAddChatBody, required: false })
  @ApiOkResponse({ type: ApiOneChat })
  async add(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Body() body: ApiAddChatBody,
  ): Promise<ApiOneChat> {
    const chat = await this.chats.add(caller, sessionId, ApiAddChatBody.toId(body));
    return { chat: ApiChat.from(chat, this.agent.defaultModel) };
  }

  /** With its newest messages, 1,000 or 8 MiB of them at a time; `cursor` leads to those before. */
  @Get('sessions/:session_id/chats/:chat_id')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getChat', summary: 'Get a chat with its messages' })
  @ApiOkResponse({ type: ApiWholeChat })
  async get(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
    @Query() query: ApiMessagesQuery,
  ): Promise<ApiWholeChat> {
    const read = await this.chats.read(caller, sessionId, chatId, ApiMessagesQuery.toPage(query));
    return ApiWholeChat.fromRead(read, this.agent.defaultModel);
  }

  /** Title, model, or both; other members are refused. */
  @Patch('sessions/:session_id/chats/:chat_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'editChat', summary: 'Change a chat' })
  @ApiBody({ type: ApiEditChatBody })
  @ApiOkResponse({ type: ApiOneChat })
  async edit(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
    @Req() request: Request,
  ): Promise<ApiOneChat> {
    const edit = ApiEditChatBody.toEdit(request.body as Record<string, unknown> | undefined);
    return { chat: ApiChat.from(await this.chats.edit(caller, sessionId, chatId, edit), this.agent.defaultModel) };
  }

  @Delete('sessions/:session_id/chats/:chat_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'deleteChat', summary: 'Delete a chat that is not the only one' })
  @ApiOkResponse({ type: ApiSuccess })
  async delete(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
  ): Promise<ApiSuccess> {
    await this.chats.delete(caller, sessionId, chatId);
    return { success: true };
  }

  /** For the caller only. */
  @Post('sessions/:session_id/chats/:chat_id/read')
  @RequireScopes('sandboxes:read')
  @HttpCode(200)
  @ApiOperation({ operationId: 'markChatRead', summary: 'Mark a chat as read' })
  @ApiOkResponse({ type: ApiSuccess })
  async markRead(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
  ): Promise<ApiSuccess> {
    await this.chats.markRead(caller, sessionId, chatId);
    return { success: true };
  }

  /** Inserts or replaces an assistant's message, as the AI SDK's UI keeps it. */
  @Post('sessions/:session_id/chats/:chat_id/messages')
  @RequireScopes('sandboxes:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'putChatMessage', summary: "Store an assistant's message" })
  @ApiOkResponse({ type: ApiStoredMessage })
  async putMessage(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
    @Body() body?: ApiPutMessageBody,
  ): Promise<ApiStoredMessage> {
    const message = ApiPutMessageBody.toMessage(body);
    return { success: true, status: await this.messages.put(caller, sessionId, chatId, message) };
  }

  /** Cuts the conversation off: that message of the user goes, with every later one. */
  @Delete('sessions/:session_id/chats/:chat_id/messages/:message_id')
  @RequireScopes('sandboxes:write')
  @ApiOperation({ operationId: 'deleteChatMessages', summary: 'Delete a message and all after it' })
  @ApiFailures({ 409: 'A response is being written' })
  @ApiOkResponse({ type: ApiDeletedMessages })
  async deleteMessages(
    @Caller() caller: Principal,
    @Param('session_id') sessionId: string,
    @Param('chat_id') chatId: string,
    @Param('message_id') messageId: string,
  ): Promise<ApiDeletedMessages> {
    const ids = await this.messages.cut(caller, sessionId, chatId, messageId);
    return { success: true, deletedMessageIds: ids };
  }
}
