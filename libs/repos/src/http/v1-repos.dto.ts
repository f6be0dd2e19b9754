import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { MAX_DESCRIPTION, type NewRepo, type Repo, type RepoChange, type Visibility } from '../repo.js';
import { pageLimit } from './page-query.js';

const VISIBILITY_TEXT = "visibility must be 'public' or 'private'";
const VISIBILITIES = ['public', 'private'] as const;

export class V1CreateRepoBody {
  @ApiProperty({ description: 'Lowercase letters, digits and single hyphens', minLength: 1, maxLength: 100 })
  @IsString({ message: 'slug is required' })
  slug!: string;

  @ApiPropertyOptional({ nullable: true, type: String, maxLength: 100 })
  @IsOptional()
  @IsString({ message: 'Invalid namespace. Use lowercase letters, numbers, hyphens. 1-100 chars.' })
  namespace?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, maxLength: MAX_DESCRIPTION })
  @IsOptional()
  @IsString({ message: 'Description must be a string' })
  description?: string | null;

  @ApiPropertyOptional({ default: 'main' })
  @IsOptional()
  @IsString({ message: 'Invalid branch name' })
  default_branch?: string | null;

  @ApiPropertyOptional({ enum: VISIBILITIES, default: 'private' })
  @IsIn([...VISIBILITIES, undefined], { message: VISIBILITY_TEXT })
  visibility?: Visibility;

  @ApiPropertyOptional({ default: true, description: 'Create one empty commit on the default branch' })
  @IsOptional()
  @IsBoolean({ message: 'init must be a boolean' })
  init?: boolean | null;

  @ApiPropertyOptional({ default: false })
  @IsOptional()
  @IsBoolean({ message: 'is_template must be a boolean' })
  is_template?: boolean | null;

  static toNewRepo(body: V1CreateRepoBody): NewRepo {
    return {
      slug: body.slug,
      namespace: body.namespace ?? null,
      description: body.description ?? null,
      defaultBranch: body.default_branch ?? 'main',
      visibility: body.visibility ?? 'private',
      isTemplate: body.is_template ?? false,
      init: body.init ?? true,
    };
  }
}

export class V1UpdateRepoBody {
  @ApiPropertyOptional({ nullable: true, type: String, maxLength: MAX_DESCRIPTION })
  @IsOptional()
  @IsString({ message: 'Description must be a string' })
  description?: string | null;

  @ApiPropertyOptional({ enum: VISIBILITIES })
  @IsIn([...VISIBILITIES, undefined], { message: VISIBILITY_TEXT })
  visibility?: Visibility;

  @ApiPropertyOptional({ description: 'An existing branch' })
  @IsOptional()
  @IsString({ message: 'default_branch must be a string' })
  default_branch?: string | null;

  @ApiPropertyOptional()
  @IsOptional()
  @IsBoolean({ message: 'is_template must be a boolean' })
  is_template?: boolean | null;

  static toChange(body: V1UpdateRepoBody): RepoChange {
    return {
      ...(body.description !== undefined && { description: body.description }),
      ...(body.visibility !== undefined && { visibility: body.visibility }),
      ...(body.default_branch !== undefined && body.default_branch !== null && { defaultBranch: body.default_branch }),
      ...(body.is_template !== undefined && body.is_template !== null && { isTemplate: body.is_template }),
    };
  }
}

export class V1ForkOrigin {
  @ApiProperty() repo_id!: string;
  @ApiProperty() org_id!: string;
}

/** What every answer about a repository carries. */
class V1RepoFacts {
  @ApiProperty({ minLength: 21, maxLength: 21 }) id!: string;
  @ApiProperty({ nullable: true, type: String }) namespace!: string | null;
  @ApiProperty() slug!: string;
  @ApiProperty({ nullable: true, type: String }) description!: string | null;
  @ApiProperty() default_branch!: string;
  @ApiProperty({ enum: VISIBILITIES }) visibility!: string;
  @ApiProperty() is_template!: boolean;

  protected static facts(repo: Repo): V1RepoFacts {
    return {
      id: repo.id,
      namespace: repo.namespace,
      slug: repo.slug,
      description: repo.description,
      default_branch: repo.defaultBranch,
      visibility: repo.visibility,
      is_template: repo.isTemplate,
    };
  }
}

/** Where a repository answers; differs per deployment. */
export interface RepoUrls {
  readonly git: string;
  readonly api: string;
}

export class V1CreatedRepo extends V1RepoFacts {
  @ApiProperty({ format: 'uri' }) git_url!: string;
  @ApiProperty({ format: 'uri' }) api_url!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(repo: Repo, urls: RepoUrls): V1CreatedRepo {
    return { ...this.facts(repo), git_url: urls.git, api_url: urls.api, created_at: repo.createdAt.toISOString() };
  }
}

export class V1ListedRepo extends V1RepoFacts {
  @ApiProperty({ nullable: true, type: V1ForkOrigin }) forked_from!: V1ForkOrigin | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;

  static from(repo: Repo): V1ListedRepo {
    return {
      ...this.facts(repo),
      forked_from: null,
      created_at: repo.createdAt.toISOString(),
      updated_at: repo.updatedAt.toISOString(),
    };
  }
}

export class V1Repo extends V1ListedRepo {
  @ApiProperty({ description: 'No commit on the default branch, or an empty tree' }) is_empty!: boolean;
  @ApiProperty({ format: 'uri' }) git_url!: string;
  @ApiProperty({ format: 'uri' }) api_url!: string;

  static fromWhole(repo: Repo, urls: RepoUrls, isEmpty: boolean): V1Repo {
    return { ...V1ListedRepo.from(repo), is_empty: isEmpty, git_url: urls.git, api_url: urls.api };
  }
}

export class V1UpdatedRepo extends V1RepoFacts {
  @ApiProperty({ format: 'date-time' }) updated_at!: string;

  static from(repo: Repo): V1UpdatedRepo {
    return { ...this.facts(repo), updated_at: repo.updatedAt.toISOString() };
  }
}

export class V1RepoList {
  @ApiProperty({ type: [V1ListedRepo] }) repos!: V1ListedRepo[];
  @ApiProperty() limit!: number;
  @ApiProperty({ nullable: true, type: String }) next_cursor!: string | null;
  @ApiPropertyOptional({ description: 'Only when no cursor was sent' }) offset?: number;
}

export class V1Deleted {
  @ApiProperty({ example: true }) deleted!: boolean;
}

export class V1RepoListQuery {
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 100, default: 50 })
  @IsOptional()
  @IsString()
  limit?: string;
  @ApiPropertyOptional({ type: Number, minimum: 0, default: 0 }) @IsOptional() @IsString() offset?: string;
  @ApiPropertyOptional({ description: 'next_cursor of the page before' }) @IsOptional() @IsString() cursor?: string;
  @ApiPropertyOptional() @IsOptional() @Matches(/^[^\0]*$/) @IsString() namespace?: string;
  @ApiPropertyOptional({ enum: ['true'] }) @IsOptional() @IsString() is_template?: string;

  static limitOf(query: V1RepoListQuery): number {
    return pageLimit(query.limit, 50, 100);
  }
}
