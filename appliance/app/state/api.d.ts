// Made by scripts/api-types from /openapi.json: do not edit. Types only, not served.

export interface Channel {
  id: string;
  channel_id: string;
  name: string;
  input_url: string | null;
  in_config: boolean;
  status: "inactive" | "active" | "error";
  error_cause: "timeout" | "reported" | null;
  error_reason: string | null;
  footage: "on" | "stalled" | "none";
  liveness: "heartbeat" | "footage";
  latency_ms: number;
  last_seen_at: string | null;
  resolution: string | null;
  framerate: number | null;
  bitrate: number | null;
  dropped_frames: number | null;
  created_at: string;
  updated_at: string;
  rev: number;
}

export interface Clients {
  items: (LiveClient)[];
}

export interface Clip {
  id: string;
  clip_id: string;
  session_id: string;
  channel_id: string;
  play_id: string | null;
  title: string | null;
  start_time: string;
  duration: number;
  file_path: string | null;
  thumbnail_path: string | null;
  status: string;
  is_favorite: boolean;
  view_count: number;
  error_message: string | null;
  attempts: number;
  retries: number;
  waiting_for: "out" | "footage" | "worker" | null;
  auto_closed: boolean;
  mode: "instant" | "exact" | "transcode";
  media_rev: number;
  preroll_s: number | null;
  coverage: Coverage | null;
  latency_ms: number;
  ready_after_s: number | null;
  start_time_given: string | null;
  stream_url: string | null;
  thumbnail_url: string;
  created_at: string;
  updated_at: string;
  created_by: string;
  rev: number;
  tags?: (Record<string, any>)[] | null;
}

export interface Code {
  code: string;
  role: "operator" | "coach" | "analyst" | "capture" | "assistant" | "integrator" | "admin";
  name: string | null;
  channel_id: string | null;
  expires_at: string;
  link: string | null;
  qr_svg: string | null;
}

export interface Coverage {
  start: string;
  end: string;
  missing: (Missing)[];
  duration_s?: number | null;
  frames?: number | null;
  runs?: number | null;
}

export interface Device {
  id: string;
  name: string;
  role: "operator" | "coach" | "analyst" | "capture" | "assistant" | "integrator" | "admin";
  created_at: string;
  created_by: string;
  last_seen_at: string | null;
  channel_id: string | null;
  app_of: string | null;
  plain_days_left: number | null;
  rev: number;
}

export interface Health {
  status: string;
}

export interface LiveClient {
  device: string;
  peer: string;
  connected_at: string;
  heard_age_s: number;
  lag_events: number;
  rtt_ms: number | null;
  role: string | null;
  edit_lists: string | null;
}

export interface Missing {
  start: string;
  end: string;
  reason: string;
}

export interface Play {
  id: string;
  play_id: string;
  session_id: string;
  number: number;
  start_time: string;
  duration: number;
  cue_time: string | null;
  title: string | null;
  is_favorite: boolean;
  auto_closed: boolean;
  start_time_given: string | null;
  clip_ids: (string)[];
  created_at: string;
  updated_at: string;
  created_by: string;
  rev: number;
  clips?: (Clip)[] | null;
}

export interface QuarterStats {
  quarter: number;
  total_plays: number;
  run_pass: RunPass;
  third_down: ThirdDown;
}

export interface Readiness {
  status: "ok" | "warn" | "bad";
  parts: Record<string, ReadyPart>;
}

export interface ReadyPart {
  status: "ok" | "warn" | "bad";
  detail: string;
  hint?: string | null;
  figures?: Record<string, number | null> | null;
}

export interface Replay {
  url: string;
  start: string;
  end: string;
  duration_s: number;
  preroll_s: number;
  frames: number;
  runs: number;
  times: (ReplayTime)[];
  missing: (Missing)[];
}

export interface ReplayTime {
  at_s: number;
  time: string;
}

export interface RunPass {
  run: number | null;
  pass: number | null;
  run_share: number | null;
  pass_share: number | null;
}

export interface Session {
  id: string;
  session_id: string;
  name: string;
  type: "game" | "practice" | "scrimmage" | "other";
  status: string;
  opponent: string | null;
  location: string | null;
  season: string | null;
  week: number | null;
  scheduled_start: string | null;
  event_id: string | null;
  actual_start: string | null;
  actual_end: string | null;
  channel_ids: (string)[] | null;
  created_at: string;
  updated_at: string;
  created_by: string;
  rev: number;
  score?: Score | null;
  play_count: number;
  clip_count: number;
  total_duration_seconds: number;
  tag_count: number;
}

export interface SourceState {
  channel_id: string;
  status: "ok" | "warn" | "bad";
  detail: string;
  hint: string | null;
  is_recorded: boolean;
  is_connected: boolean | null;
  address: string | null;
  since: string | null;
  tracks: (string)[];
  bitrate_bps: number | null;
  loss_ratio: number | null;
  packets_dropped: number | null;
  rtt_ms: number | null;
  restarts: number | null;
  run_changes: number;
}

export interface Stats {
  session_id: string;
  total_plays: number;
  tagged_plays: number;
  run_pass: RunPass;
  third_down: ThirdDown;
  key_plays: (string)[];
  touchdowns: (string)[];
  touchdown_plays: (string)[];
  by_quarter: (QuarterStats)[];
  by_play_type: Record<string, number> | null;
  by_result: Record<string, number> | null;
  as_of_seq: number;
}

export interface Tag {
  id: string;
  tag_id: string;
  clip_id: string;
  session_id: string;
  play_id: string | null;
  quarter: number | null;
  down: number | null;
  distance: number | null;
  yard_line: number | null;
  play_type: string | null;
  formation: string | null;
  result: string | null;
  yards_gained: number | null;
  players: (string)[];
  labels: (string)[];
  notes: string | null;
  coach_notes: string | null;
  is_important: boolean;
  is_reviewed: boolean;
  created_at: string;
  updated_at: string;
  created_by: string;
  rev: number;
}

export interface TagGroup {
  field: string;
  label: string;
  kind: "choice" | "number" | "word" | "words" | "text";
  key: string;
  options: (TagOption)[];
  low?: number | null;
  high?: number | null;
  carry?: "keep" | "downs" | null;
}

export interface TagOption {
  value: number | string;
  label: string;
}

export interface TagTemplate {
  sport: "football" | "basketball" | "soccer";
  groups: (TagGroup)[];
}

export interface ThirdDown {
  attempts: number | null;
  conversions: number | null;
  pct: number | null;
}

export interface Timeline {
  channel_id: string;
  start: string;
  end: string;
  footage: "on" | "stalled" | "none";
  latency_ms: number;
  video_until: string | null;
  spans: (TimelineSpan)[];
  gaps: (TimelineGap)[];
  runs: (TimelineRun)[];
  sizes: (TimelineSize)[];
  frames?: (string)[] | null;
}

export interface TimelineGap {
  start: string;
  end: string | null;
  reason: "no_footage" | "recorder_restart" | "source_lost" | "segment_unreadable" | "segment_missing" | "discontinuity" | "indexing";
}

export interface TimelineRun {
  run_id: string;
  start: string;
  end: string;
  codec: string;
  width: number;
  height: number;
  segments: number;
}

export interface TimelineSize {
  at: string;
  width: number;
  height: number;
}

export interface TimelineSpan {
  start: string;
  end: string;
  run_id: string;
}

export interface Version {
  version: string;
  python?: string | null;
  site_id?: string | null;
  site_name?: string | null;
  timezone?: string | null;
}
