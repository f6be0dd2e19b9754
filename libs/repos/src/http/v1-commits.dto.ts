import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import type { CreatedCommit } from '../queued-commit.js';
import type { CommitFacts } from '../store/operations/read-commit.js';

/** Described for clients; the body itself is parsed and validated in a worker (commit-request/). */
export class V1CommitEdit {
  @ApiPropertyOptional({ description: 'Must occur exactly once' }) old_string?: string;
  @ApiPropertyOptional({ description: 'Absent deletes the match' }) new_string?: string;
  @ApiPropertyOptional({
    type: [Number],
    minItems: 2,
    maxItems: 2,
    description: '[startLine, endLine], 1-based, inclusive',
  })
  range?: number[];
  @ApiPropertyOptional({ description: 'Replaces the lines of `range`' }) content?: string;
}

export class V1CommitChange {
  @ApiProperty({ maxLength: 4096 }) path!: string;
  @ApiPropertyOptional({ enum: ['create', 'edit', 'delete', 'rename', 'lazy_edit'], default: 'create' })
  action?: string;
  @ApiPropertyOptional({ description: 'Whole content, at most 10,485,760 bytes decoded' }) content?: string;
  @ApiPropertyOptional({ enum: ['utf-8', 'base64'], default: 'utf-8' }) encoding?: string;
  @ApiPropertyOptional({ enum: ['100644', '100755', '120000'], description: 'Kept on overwrite when absent' })
  mode?: string;
  @ApiPropertyOptional({ type: [V1CommitEdit] }) edits?: V1CommitEdit[];
  @ApiPropertyOptional() new_path?: string;
  @ApiPropertyOptional({ maxLength: 204800 }) edit_snippet?: string;
  @ApiPropertyOptional({ description: 'One line' }) instruction?: string;
}

export class V1CommitAuthor {
  @ApiProperty() name!: string;
  @ApiProperty() email!: string;
}

export class V1CreateCommitBody {
  @ApiProperty() branch!: string;
  @ApiProperty({ description: 'At most 51,200 bytes' }) message!: string;
  @ApiPropertyOptional({ type: V1CommitAuthor }) author?: V1CommitAuthor;
  @ApiPropertyOptional({ description: 'Expected head; the commit is refused with 409 when the branch has moved' })
  parent_sha?: string;
  @ApiProperty({ type: [V1CommitChange], minItems: 1, maxItems: 1000 }) changes!: V1CommitChange[];
}

export class V1CreatedCommit {
  @ApiProperty() sha!: string;
  @ApiProperty() tree_sha!: string;
  @ApiProperty() branch!: string;
  @ApiProperty({ description: "'' for a root commit" }) parent!: string;
  @ApiProperty({ description: 'Same as parent' }) parent_sha!: string;
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'Diagnostic, milliseconds' })
  _timing!: Record<string, number | string>;

  static from(commit: CreatedCommit): V1CreatedCommit {
    const { timing } = commit;
    return {
      sha: commit.sha,
      tree_sha: commit.treeSha,
      branch: commit.branch,
      parent: commit.parent,
      parent_sha: commit.parent,
      _timing: {
        treeLoad: Math.round(timing.treeLoad),
        blobWrite: Math.round(timing.blobWrite),
        treeWrite: Math.round(timing.treeWrite),
        commitRefWrite: Math.round(timing.packWrite),
        total: Math.round(timing.total),
        strategy: 'pack',
      },
    };
  }
}

export class V1ListedCommit {
  @ApiProperty() sha!: string;
  @ApiProperty() message!: string;
  @ApiProperty() author_name!: string;
  @ApiProperty() author_email!: string;
  @ApiProperty({ description: 'Author time, Unix seconds' }) timestamp!: number;
  @ApiProperty({ type: [String] }) parents!: string[];

  static from(commit: CommitFacts): V1ListedCommit {
    return {
      sha: commit.sha,
      message: commit.message,
      author_name: commit.author.name,
      author_email: commit.author.email,
      timestamp: commit.author.timestamp,
      parents: [...commit.parents],
    };
  }
}

export class V1Commit extends V1ListedCommit {
  @ApiProperty() tree!: string;

  static override from(commit: CommitFacts): V1Commit {
    return { ...V1ListedCommit.from(commit), tree: commit.tree };
  }
}

export class V1CommitList {
  @ApiProperty({ type: [V1ListedCommit] }) commits!: V1ListedCommit[];
  @ApiProperty() ref!: string;
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;
}

export class V1CommitListQuery {
  @ApiPropertyOptional({ description: 'Branch, tag or full sha; default branch when absent' })
  @IsOptional()
  @IsString()
  ref?: string;
  @ApiPropertyOptional({ description: 'Same as ref' }) @IsOptional() @IsString() branch?: string;
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 100, default: 20 })
  @IsOptional()
  @IsString()
  limit?: string;
  @ApiPropertyOptional({ description: 'Sha of the last commit of the page before' })
  @IsOptional()
  @IsString()
  cursor?: string;
}
