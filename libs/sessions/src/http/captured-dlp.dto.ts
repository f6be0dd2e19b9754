import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow } from 'class-validator';
import { DomainError } from '#kernel';
import type { ScreenedText } from '../archive/screen-text.js';
import type { DlpStats } from '../dlp/dlp-policies.service.js';
import {
  DLP_MODES,
  type DlpPolicy,
  type DlpPolicyChange,
  POLICY_CATEGORIES,
  type PolicyCategory,
  readCategories,
  readPolicyChange,
} from '../dlp/dlp-policy.js';

export class CapturedDlpPattern {
  @ApiProperty() name!: string;
  @ApiProperty({ description: 'No look-around and no back-references: it runs in linear time' }) regex!: string;
  @ApiProperty({ enum: ['secret', 'phi'] }) category!: string;
  @ApiProperty({ enum: ['critical', 'high', 'medium', 'low'] }) severity!: string;
}

/** sessionfs-1.md §13. */
export class CapturedDlpPolicy {
  @ApiProperty() enabled!: boolean;
  @ApiProperty({ enum: DLP_MODES }) mode!: string;
  @ApiProperty({ enum: POLICY_CATEGORIES, isArray: true }) categories!: string[];
  @ApiProperty({ type: [CapturedDlpPattern] }) custom_patterns!: CapturedDlpPattern[];
  @ApiProperty({ type: [String], description: 'A match that holds one of these texts is no finding' })
  allowlist!: string[];

  static from({ enabled, mode, categories, customPatterns, allowlist }: DlpPolicy): CapturedDlpPolicy {
    return {
      enabled,
      mode,
      categories: [...categories],
      custom_patterns: customPatterns.map((pattern) => ({ ...pattern })),
      allowlist: [...allowlist],
    };
  }
}

/** Checked by `readPolicyChange`, whose complaints never repeat what was sent. */
export class CapturedDlpPolicyBody {
  @ApiPropertyOptional({ type: Boolean }) @Allow() enabled?: unknown;
  @ApiPropertyOptional({ enum: DLP_MODES }) @Allow() mode?: unknown;
  @ApiPropertyOptional({ enum: POLICY_CATEGORIES, isArray: true }) @Allow() categories?: unknown;
  @ApiPropertyOptional({ type: [CapturedDlpPattern] }) @Allow() custom_patterns?: unknown;
  @ApiPropertyOptional({ type: [String] }) @Allow() allowlist?: unknown;

  static toChange(body: CapturedDlpPolicyBody): DlpPolicyChange {
    return readPolicyChange(body);
  }
}

export class CapturedDlpScanBody {
  @ApiProperty({ type: String }) @Allow() text?: unknown;
  @ApiPropertyOptional({ enum: POLICY_CATEGORIES, isArray: true, default: ['secrets'] })
  @Allow()
  categories?: unknown;

  static toScan({ text, categories }: CapturedDlpScanBody): { text: string; categories: readonly PolicyCategory[] } {
    // A validator's complaint would repeat the text.
    if (typeof text !== 'string') throw new DomainError('invalid_input', 'text must be a string', { field: 'text' });
    return { text, categories: readCategories(categories ?? ['secrets']) };
  }
}

export class CapturedDlpFinding {
  @ApiProperty() pattern_name!: string;
  @ApiProperty({ enum: ['secret', 'phi'] }) category!: string;
  @ApiProperty({ enum: ['critical', 'high', 'medium', 'low'] }) severity!: string;
  @ApiProperty() line_number!: number;
}

export class CapturedDlpScan {
  @ApiProperty() finding_count!: number;
  @ApiProperty({ type: [CapturedDlpFinding], description: 'The first thousand; never the text' })
  findings!: CapturedDlpFinding[];

  static from({ count, findings }: ScreenedText): CapturedDlpScan {
    return {
      finding_count: count,
      findings: findings.map(({ patternName, category, severity, line }) => ({
        pattern_name: patternName,
        category,
        severity,
        line_number: line,
      })),
    };
  }
}

export class CapturedDlpStats {
  @ApiProperty() total_scanned!: number;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } }) by_action!: Record<string, number>;

  static from({ total, byAction }: DlpStats): CapturedDlpStats {
    return { total_scanned: total, by_action: { ...byAction } };
  }
}
