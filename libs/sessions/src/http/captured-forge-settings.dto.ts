import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsInt, IsNotEmpty, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import type { GithubOptions } from '../github/github-installation.js';
import type { ShownGithubSettings } from '../github/github-settings.service.js';
import { GITLAB_COM, type NewGitlabSettings, type ShownGitlabSettings } from '../settings/gitlab-settings.service.js';
import { MAX_KEY, MAX_URL, NO_NUL, PRINTABLE } from './captured-judge-settings.dto.js';

export class CapturedGithubSettings {
  @ApiProperty({ nullable: true, type: Number }) installation_id!: number | null;
  @ApiProperty({ nullable: true, type: String }) account_login!: string | null;
  @ApiProperty({ nullable: true, type: String }) account_type!: string | null;
  @ApiProperty() auto_comment!: boolean;
  @ApiProperty() include_trust_score!: boolean;
  @ApiProperty() include_session_links!: boolean;

  static from({ installation, options }: ShownGithubSettings): CapturedGithubSettings {
    return {
      installation_id: installation && Number(installation.id),
      account_login: installation?.accountLogin ?? null,
      account_type: installation?.accountType ?? null,
      auto_comment: options.autoComment,
      include_trust_score: options.includeTrustScore,
      include_session_links: options.includeSessionLinks,
    };
  }
}

export class CapturedGithubSettingsBody {
  @ApiPropertyOptional({ description: "GitHub's number of the installation: claims it" })
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @Min(1)
  @IsInt()
  installation_id?: number | null;

  @ApiPropertyOptional() @IsOptional() @IsBoolean() auto_comment?: boolean | null;
  @ApiPropertyOptional() @IsOptional() @IsBoolean() include_trust_score?: boolean | null;
  @ApiPropertyOptional() @IsOptional() @IsBoolean() include_session_links?: boolean | null;

  static toId({ installation_id: id }: CapturedGithubSettingsBody): string | null {
    return typeof id === 'number' ? String(id) : null;
  }

  static toOptions(body: CapturedGithubSettingsBody): Partial<GithubOptions> {
    const { auto_comment: comment, include_trust_score: score, include_session_links: links } = body;
    return {
      ...(typeof comment === 'boolean' && { autoComment: comment }),
      ...(typeof score === 'boolean' && { includeTrustScore: score }),
      ...(typeof links === 'boolean' && { includeSessionLinks: links }),
    };
  }
}

export class CapturedGitlabSettings {
  @ApiProperty() instance_url!: string;
  @ApiProperty() has_token!: boolean;
  @ApiProperty({ nullable: true, type: String, description: 'In the answer that sets it only; null everywhere else' })
  webhook_secret!: string | null;
  @ApiProperty() has_webhook_secret!: boolean;

  static from(settings: ShownGitlabSettings): CapturedGitlabSettings {
    return {
      instance_url: settings.instanceUrl,
      has_token: settings.hasToken,
      webhook_secret: settings.webhookSecret,
      has_webhook_secret: settings.hasWebhookSecret,
    };
  }
}

export class CapturedGitlabSettingsBody {
  @ApiPropertyOptional({ maxLength: MAX_URL, default: GITLAB_COM })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(MAX_URL)
  @IsString()
  instance_url?: string | null;

  @ApiProperty({ maxLength: MAX_KEY })
  @Matches(PRINTABLE, { message: 'access_token must be printable ASCII without spaces' })
  @MaxLength(MAX_KEY)
  @IsNotEmpty()
  @IsString()
  access_token!: string;

  @ApiPropertyOptional({ maxLength: 255, nullable: true, type: String, description: 'Absent keeps it, or makes one' })
  @IsOptional()
  @Matches(PRINTABLE, { message: 'webhook_secret must be printable ASCII without spaces' })
  @MaxLength(255)
  @IsString()
  webhook_secret?: string | null;

  static toSettings(body: CapturedGitlabSettingsBody): NewGitlabSettings {
    return {
      instanceUrl: body.instance_url || GITLAB_COM,
      accessToken: body.access_token,
      webhookSecret: body.webhook_secret || null,
    };
  }
}

export class CapturedDeliveryReceipt {
  @ApiProperty({ enum: ['ok', 'ignored'] }) status!: 'ok' | 'ignored';
}
