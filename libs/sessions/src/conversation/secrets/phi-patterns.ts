import { builtIn, type BuiltIn, type SecretPattern } from './pattern.js';

/** Between a label and its value in prose, tables, JSON and code. */
const IS = String.raw`(?:\\{0,3}["'])?\s{0,4}(?:is|[:=#|]{1,2})?\s{0,4}(?:\\{0,3}["'])?`;

const labelled = (label: string, value: string): RegExp =>
  new RegExp(String.raw`(?<![A-Za-z])(?:${label})(?![A-Za-z])${IS}(${value})(?![A-Za-z0-9])`, 'gi');

const hasDigit = (text: string): boolean => /\d/.test(text);
/** Labels are found in any case, but names and codes are written with capitals. */
const isCapitalised = (text: string): boolean => /^[A-Z]/.test(text);
const ID = '[A-Z0-9][A-Z0-9-]{5,30}';

/** Labelled health identifiers, by the names of sessionfs-1.md §16. */
const PATTERNS: readonly BuiltIn[] = [
  {
    name: 'ssn',
    severity: 'critical',
    hints: ['-', 'ssn', 'social'],
    regex:
      /(?<![\d-])((?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])|(?<=(?:ssn|social security(?: number)?)\W{1,5})(\d{9})(?!\d)/gi,
  },
  {
    name: 'mrn',
    severity: 'high',
    hints: ['mrn', 'medical'],
    regex: labelled('MRN|medical[ _-]record[ _-](?:number|no|num|id)', '[A-Z0-9][A-Z0-9-]{4,15}'),
    accepts: hasDigit,
  },
  {
    name: 'dob',
    severity: 'high',
    hints: ['dob', 'birth'],
    regex: labelled(
      'DOB|date[ _-]of[ _-]birth|birth[ _-]?date',
      String.raw`\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4}`,
    ),
  },
  {
    name: 'npi_dea_license',
    severity: 'medium',
    hints: ['npi', 'dea', 'licen'],
    regex: labelled(
      'NPI(?:[ _-](?:number|no))?|DEA(?:[ _-](?:number|no))?|medical[ _-]licen[sc]e(?:[ _-](?:number|no))?',
      '[A-Z0-9]{7,12}',
    ),
    accepts: hasDigit,
  },
  {
    name: 'health_plan_id',
    severity: 'high',
    hints: ['plan', 'member', 'policy', 'subscriber', 'insurance', 'beneficiary'],
    regex: labelled('(?:health[ _-]?plan|member|policy|subscriber|insurance|beneficiary)[ _-](?:id|number|no)', ID),
    accepts: (text) => hasDigit(text) && isCapitalised(text.replace(/^\d+/, 'A')),
  },
  {
    name: 'patient_name',
    severity: 'high',
    hints: ['patient'],
    regex: labelled(
      "patient(?:'s)?[ _-]?(?:full[ _-]?)?name",
      String.raw`[A-Z][\w'’-]{1,40}(?:,? [A-Z][\w.'’-]{0,40}){1,3}`,
    ),
    accepts: isCapitalised,
  },
  {
    name: 'patient_phone',
    severity: 'medium',
    hints: ['phone', 'tel', 'mobile'],
    regex: labelled(
      '(?:patient|contact|home|emergency)(?:[ _-](?:tele)?phone|[ _-]tel|[ _-]mobile)(?:[ _-](?:number|no))?',
      String.raw`\+?[\d(][\d ().-]{6,16}\d`,
    ),
  },
  {
    name: 'fax_number',
    severity: 'low',
    hints: ['fax'],
    regex: labelled('fax(?:[ _-](?:number|no))?', String.raw`\+?[\d(][\d ().-]{6,16}\d`),
  },
  {
    name: 'vin',
    severity: 'low',
    hints: ['vin', 'vehicle'],
    regex: labelled('VIN|vehicle[ _-]identification[ _-]number', '[A-HJ-NPR-Z0-9]{17}'),
    accepts: hasDigit,
  },
  {
    name: 'device_id',
    severity: 'low',
    hints: ['device', 'implant', 'pacemaker'],
    regex: labelled(
      '(?:medical[ _-]?device|device|implant|pacemaker)[ _-](?:id|identifier|serial(?:[ _-](?:number|no))?)',
      ID,
    ),
    accepts: hasDigit,
  },
  {
    name: 'biometric_id',
    severity: 'high',
    hints: ['fingerprint', 'retina', 'iris', 'voiceprint', 'biometric'],
    regex: labelled(
      '(?:fingerprint|retinal?|iris|voiceprint|biometric)[ _-](?:id|scan|template|hash)',
      '[A-Za-z0-9+/=-]{6,200}',
    ),
    accepts: hasDigit,
  },
  {
    name: 'phi_url',
    severity: 'medium',
    hints: ['://'],
    regex:
      /\bhttps?:\/\/[^\s"'<>\\/]{1,200}(?:\/[^\s"'<>\\/]{1,100}){0,5}(?:\/|[?&])(?:patients?|mrn|medical-?records?|charts?)(?:\/|=)([^\s"'<>\\]{1,200})/gi,
    accepts: hasDigit,
  },
  {
    name: 'medical_email',
    severity: 'medium',
    hints: ['@'],
    regex: labelled(
      '(?:patient|medical|clinic)(?:[ _-]contact)?[ _-]e-?mail',
      String.raw`[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}`,
    ),
  },
  {
    name: 'medical_age_90_plus',
    severity: 'low',
    hints: ['age', 'old'],
    regex:
      /(?<![A-Za-z])(?:patient(?:'s)?[ _-]age|aged?)(?:\s{0,4}(?:is|[:=])\s{0,4}|\s{1,4})(9\d|1[01]\d)(?![\d.%-])(?!\s{0,2}(?:ms|s|min|days|px|seconds|hours))/gi,
  },
];

export const PHI_PATTERNS: readonly SecretPattern[] = PATTERNS.map((pattern) => builtIn('phi', pattern));
