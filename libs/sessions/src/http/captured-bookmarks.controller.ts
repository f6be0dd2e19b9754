import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, UserOnly } from '#platform';
import { BookmarksService } from '../bookmarks/bookmarks.service.js';
import {
  CapturedBookmark,
  CapturedBookmarkBody,
  CapturedBookmarkedSessionList,
  CapturedBookmarkedSessionListQuery,
  CapturedBookmarkFolder,
  CapturedBookmarkFolderBody,
  CapturedBookmarkFolderChange,
  CapturedBookmarkFolderList,
} from './captured-bookmarks.dto.js';

/** sessionfs-1.md §12. */
@ApiTags('Bookmarks')
@Controller('api/v1/bookmarks')
@UserOnly()
export class CapturedBookmarksController {
  constructor(private readonly bookmarks: BookmarksService) {}

  @Post('folders')
  @ApiOperation({ operationId: 'createBookmarkFolder', summary: 'Create a folder for bookmarks' })
  @ApiCreatedResponse({ type: CapturedBookmarkFolder })
  async createFolder(
    @Caller() caller: Principal,
    @Body() { name, color }: CapturedBookmarkFolderBody,
  ): Promise<CapturedBookmarkFolder> {
    const folder = await this.bookmarks.createFolder(caller, { name, color: color ?? null });
    return CapturedBookmarkFolder.from(folder);
  }

  @Get('folders')
  @ApiOperation({ operationId: 'listBookmarkFolders', summary: 'List the folders for bookmarks, oldest first' })
  @ApiOkResponse({ type: CapturedBookmarkFolderList })
  async listFolders(@Caller() caller: Principal): Promise<CapturedBookmarkFolderList> {
    return CapturedBookmarkFolderList.from(await this.bookmarks.listFolders(caller));
  }

  @Put('folders/:folder_id')
  @ApiOperation({ operationId: 'changeBookmarkFolder', summary: 'Rename or recolour a folder for bookmarks' })
  @ApiOkResponse({ type: CapturedBookmarkFolder })
  async changeFolder(
    @Caller() caller: Principal,
    @Param('folder_id') folderId: string,
    @Body() body: CapturedBookmarkFolderChange,
  ): Promise<CapturedBookmarkFolder> {
    const change = CapturedBookmarkFolderChange.toChange(body);
    return CapturedBookmarkFolder.from(await this.bookmarks.changeFolder(caller, folderId, change));
  }

  @Delete('folders/:folder_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteBookmarkFolder', summary: 'Delete a folder with its bookmarks' })
  @ApiNoContentResponse()
  async removeFolder(@Caller() caller: Principal, @Param('folder_id') folderId: string): Promise<void> {
    await this.bookmarks.removeFolder(caller, folderId);
  }

  /** Newest bookmark first; a session in the trash is among them and says `is_deleted`. */
  @Get('folders/:folder_id/sessions')
  @ApiOperation({ operationId: 'listBookmarkedSessions', summary: 'List the sessions in a folder' })
  @ApiOkResponse({ type: CapturedBookmarkedSessionList })
  async listSessions(
    @Caller() caller: Principal,
    @Param('folder_id') folderId: string,
    @Query() query: CapturedBookmarkedSessionListQuery,
  ): Promise<CapturedBookmarkedSessionList> {
    const { after, limit } = CapturedBookmarkedSessionListQuery.toPage(query);
    return CapturedBookmarkedSessionList.from(await this.bookmarks.listSessions(caller, folderId, after, limit));
  }

  @Post()
  @ApiOperation({ operationId: 'createBookmark', summary: 'Bookmark a captured session' })
  @ApiCreatedResponse({ type: CapturedBookmark })
  async add(
    @Caller() caller: Principal,
    @Body() { folder_id, session_id }: CapturedBookmarkBody,
  ): Promise<CapturedBookmark> {
    return CapturedBookmark.from(await this.bookmarks.add(caller, folder_id, session_id));
  }

  @Delete(':bookmark_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteBookmark', summary: 'Take a bookmark away' })
  @ApiNoContentResponse()
  async remove(@Caller() caller: Principal, @Param('bookmark_id') bookmarkId: string): Promise<void> {
    await this.bookmarks.remove(caller, bookmarkId);
  }
}
