import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString } from 'class-validator';
import { type Ref, shortRefName } from '../ref.js';
import { isTagRef, type RefPage } from '../refs.service.js';

export class V1Branch {
  @ApiProperty() name!: string;
  @ApiProperty() sha!: string;

  static from(ref: Ref): V1Branch {
    return { name: shortRefName(ref.name), sha: ref.sha };
  }
}

export class V1CreatedBranch extends V1Branch {
  @ApiProperty({ example: true }) created!: boolean;
}

export class V1BranchList {
  @ApiProperty({ type: [V1Branch] }) branches!: V1Branch[];
  @ApiProperty() default_branch!: string;
  @ApiProperty() total!: number;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(page: RefPage, defaultBranch: string): V1BranchList {
    return {
      branches: page.refs.map((ref) => V1Branch.from(ref)),
      default_branch: defaultBranch,
      total: page.total,
      next_cursor: page.next === null ? null : shortRefName(page.next),
    };
  }
}

export class V1TypedRef extends V1Branch {
  @ApiProperty({ enum: ['branch', 'tag'] }) type!: string;
}

export class V1Ref {
  @ApiProperty({ description: 'Full name, e.g. refs/heads/main' }) ref!: string;
  @ApiProperty() sha!: string;

  static from(ref: Ref): V1Ref {
    return { ref: ref.name, sha: ref.sha };
  }
}

export class V1RefList {
  @ApiProperty({ type: [V1TypedRef] }) branches!: V1TypedRef[];
  @ApiProperty({ type: [V1TypedRef] }) tags!: V1TypedRef[];
  @ApiProperty({ type: [V1Ref] }) refs!: V1Ref[];
  @ApiProperty() default_branch!: string;
  @ApiProperty() total!: number;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;

  static from(page: RefPage, defaultBranch: string): V1RefList {
    const typed = page.refs.map((ref) => ({ ...V1Branch.from(ref), type: isTagRef(ref) ? 'tag' : 'branch' }));
    return {
      branches: typed.filter((ref) => ref.type === 'branch'),
      tags: typed.filter((ref) => ref.type === 'tag'),
      refs: page.refs.map((ref) => V1Ref.from(ref)),
      default_branch: defaultBranch,
      total: page.total,
      next_cursor:
        page.next === null
          ? null
          : `${page.next.startsWith('refs/tags/') ? 'tag' : 'branch'}:${shortRefName(page.next)}`,
    };
  }
}

export class V1CreateBranchBody {
  @ApiProperty()
  @IsNotEmpty({ message: 'Branch name is required' })
  @IsString({ message: 'Branch name is required' })
  name!: string;
  @ApiPropertyOptional({ description: 'Branch to start from' })
  @IsOptional()
  @IsString({ message: 'from must be a string' })
  from?: string | null;
  @ApiPropertyOptional({ description: 'Commit to start from; wins over from' })
  @IsOptional()
  @IsString({ message: 'from_sha must be a string' })
  from_sha?: string | null;
}

export class V1PutRefBody {
  @ApiProperty() @IsString({ message: 'Valid 40-char hex SHA is required' }) sha!: string;
  @ApiPropertyOptional({ description: 'Where the ref must be now; forty zeros: it must not exist' })
  @IsOptional()
  @IsString({ message: 'Invalid expected_sha format' })
  expected_sha?: string | null;
}

export class V1WrittenRef extends V1Ref {
  @ApiProperty({ nullable: true, type: String }) previous_sha!: string | null;
}

export class V1DeletedRef extends V1Ref {
  @ApiProperty({ example: true }) deleted!: boolean;
}

export class V1DeletedBranch {
  @ApiProperty({ example: true }) deleted!: boolean;
  @ApiProperty() name!: string;
}

export class V1RefListQuery {
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 500, default: 100 })
  @IsOptional()
  @IsString()
  limit?: string;
  @ApiPropertyOptional({ description: 'next_cursor of the page before' }) @IsOptional() @IsString() cursor?: string;
}
