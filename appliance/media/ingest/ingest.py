"""Turn a live transport stream into a recording: the pure part of the embedded recorder.

Owns: when a run begins and ends, which samples it contains, notices about it. Must not know: files,
processes, sockets; box time is passed with the bytes.

- A run begins at the first picture at which decoding may begin (access_points.py): IDR, CRA, BLA, a recovery
  point, or an intra picture with its parameter sets. It ends with the stream or a change of tracks.
- A picture's sample is written when the next picture begins: then its duration is known.
- Parameter sets stay in-band at every key picture, as MediaMTX leaves them. When size, profile, chroma or
  depth change with them, the run continues in a new file with a correct description: MediaMTX's file has a
  wrong one for its second half, and a new run would be shown as a gap that did not exist. Other changes
  (VUI) stay in-band.
- A jump of the source's clock is removed (streamtime.py) and reported; no picture is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.media.bitstream import annexb
from appliance.media.bitstream.access_points import AccessPoint, entry_of, is_intra_slice, is_slice
from appliance.media.bitstream.params import Description, describe, key_facts
from appliance.media.ingest.audio import AdtsReader, AudioFrame, opus_frames
from appliance.media.ingest.mpegts import Demuxer, Event, Programme, Stream, Unit, UnitStart
from appliance.media.ingest.streamtime import HZ, StreamTime, signed
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Malformed, Track
from appliance.media.mp4.fragment import Command, FragmentWriter, Sample, TrackSpec

VIDEO_ID: Final = 1
AUDIO_ID: Final = 2
STREAM_ENDED: Final = "stream ended"
_AUDIO_WAIT: Final = HZ  # a run's first part waits this long for sound that the tables announce
_AUDIO_RESYNC_S: Final = 0.03  # below it sound times are counted in samples, above it its timestamps are used
# frames until a new kind of sound is accepted: one flipped bit in an ADTS header must not end a run
_BELIEVED_AFTER: Final = 5
_MAX_REORDER: Final = 10 * HZ
_BLANK_CONFIG: Final = {  # no sets, 4-byte lengths: describe() fills the sets in
    "h264": (b"avc1", b"avcC", b"\1\0\0\0\xff\xe0\0"),
    "hevc": (b"hvc1", b"hvcC", b"\1" + bytes(20) + b"\xff\0"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator or the supervisor may want to know; `facts` is JSON-able."""

    event: str
    facts: dict[str, Any] = field(default_factory=dict)


Output = Command | Notice


@dataclass(slots=True)
class _Picture:
    """A picture that waits for the next one to begin. dts, pts: media ticks, 90 kHz."""

    dts: int
    pts: int
    data: bytes
    damaged: bool = False  # packets of it are missing: it is written, but its parameter sets are not used


@dataclass(slots=True)
class _Sound:
    """The audio track: `next_at` is where the next frame starts, `frame` the length of one, in samples."""

    spec: TrackSpec
    frame: int
    next_at: int | None = None


@dataclass(slots=True)
class _Run:
    """The state of a run. `lead` holds samples until it is known which tracks there are."""

    key_pts: int | None = None
    open_start: bool = False  # pictures shown before the first refer to what came before it
    writer: FragmentWriter | None = None
    lead: list[tuple[int, Sample]] = field(default_factory=list)
    restart: bool = False  # the tracks have changed: end at the next key picture


def describe_video(codec: str, nals: tuple[bytes, ...]) -> Description:
    """Sample entry and picture size for parameter sets `nals`. Raises Malformed."""
    return describe(_blank_track(codec), annexb.length_prefixed(nals))


def _blank_track(codec: str) -> Track:
    entry, config_kind, blank = _BLANK_CONFIG[codec]
    stsd = boxes.stsd(boxes.visual_entry(entry, 0, 0, boxes.box(config_kind, blank)))
    return Track(VIDEO_ID, "video", HZ, entry.decode(), stsd, 0, 0)


def _intra_with_sets(codec: str, unit: annexb.AccessUnit) -> AccessPoint | None:
    """An H.264 picture that is not an IDR and has no recovery point, but at which decoding is meant to
    begin."""
    slices = [nal for nal in unit.nals if is_slice("h264", nal)]
    if codec == "h264" and all(unit.sets) and slices and all(map(is_intra_slice, slices)):
        return AccessPoint("recovery", 0, exact=False)
    return None


class Ingest:
    """One connection. `feed` bytes with the box time (us) of their arrival; execute the returned commands in
    order.

    `new_stream_id` returns 16 random bytes per run. `pictures` counts those written, `bytes` all received.
    """

    def __init__(self, *, part_s: float, segment_s: float, new_stream_id: Callable[[], bytes]) -> None:
        self.pictures = 0
        self.bytes = 0
        self._demuxer = Demuxer()
        self._codecs: list[str] | None = None  # of all streams in the tables; None: no tables yet
        self._part_s, self._segment_s, self._new_stream_id = part_s, segment_s, new_stream_id
        # one media time per connection: runs after a change of tracks continue in it
        self._time = StreamTime()
        self._run = _Run()
        self._set_streams(None, None)

    def _set_streams(self, video: Stream | None, audio: Stream | None) -> None:
        self._video, self._audio = video, audio
        self._spec: TrackSpec | None = None
        self._sets: tuple[bytes, ...] = ()
        self._format_id = 0
        self._picture: _Picture | None = None
        self._raw_dts: int | None = None
        self._carried: list[bytes] = []
        self._step = HZ // 25
        self._adts = AdtsReader()
        self._sound: _Sound | None = None
        self._sound_at: int | None = None
        self._strange = 0

    def lacks(self) -> tuple[str, str]:
        """Why no picture is recorded although bytes arrive: (reason, hint), both for people."""
        if self._codecs is None:
            return "no tables of a transport stream", "set the encoder to MPEG-TS"
        if self._video is None:
            sent = ", ".join(self._codecs) or "nothing"
            return f"no video, only {sent}", "set the encoder to H.264 or HEVC"
        if self._run.key_pts is None:
            return "waiting for a key picture", "set the encoder to a key picture every 1 to 2 s"
        return "no picture", "look at the camera"

    @property
    def lost_packets(self) -> int:
        return self._demuxer.lost

    def feed(self, data: bytes, arrival_us: int) -> list[Output]:
        """Process the next bytes of the stream."""
        self.bytes += len(data)
        out: list[Output] = []
        for event in self._demuxer.feed(data):
            self._event(event, arrival_us, out)
        return out

    def close(self) -> list[Output]:
        """The stream ended: write what is complete, end the run."""
        out: list[Output] = []
        for event in self._demuxer.flush():
            if isinstance(event, Unit):
                self._unit(event, out)
        self._end_run(STREAM_ENDED, out)
        return out

    def abandon_run(self) -> None:
        """The run's files are lost (a write failed): begin another at the next key picture."""
        self._run = _Run()

    # -- events --------------------------------------------------------------------------------------------

    def _event(self, event: Event, arrival_us: int, out: list[Output]) -> None:
        if isinstance(event, UnitStart):
            self._unit_start(event, arrival_us, out)
        elif isinstance(event, Unit):
            self._unit(event, out)
        else:
            self._programme(event, out)

    def _programme(self, event: Programme, out: list[Output]) -> None:
        video = next((s for s in event.streams if s.codec in _BLANK_CONFIG), None)
        audio = next(
            (s for s in event.streams if s.codec == "aac" or (s.codec == "opus" and s.channels)), None
        )
        self._codecs = [stream.codec for stream in event.streams]
        out.append(Notice("streams", {"codecs": self._codecs}))
        for stream in event.streams:
            if stream not in (video, audio):
                out.append(Notice("skipped", {"codec": stream.codec, "reason": "cannot be recorded"}))
        if (video, audio) != (self._video, self._audio):
            self._end_run("tracks changed", out)
            self._set_streams(video, audio)

    def _unit_start(self, event: UnitStart, arrival_us: int, out: list[Output]) -> None:
        if self._video is not None and event.pid == self._video.pid:
            if self._picture is not None and event.dts == self._raw_dts:
                return  # fields or slices in packets of their own: still the same picture
            self._raw_dts = event.dts
            dts = self._place(event.pid, event.dts, arrival_us, out)
            self._release(dts, out)
            reorder = signed(event.pts - event.dts)
            self._picture = _Picture(dts, dts + (reorder if 0 <= reorder < _MAX_REORDER else 0), b"")
        elif self._audio is not None and event.pid == self._audio.pid:
            self._sound_at = self._place(event.pid, event.pts, arrival_us, out)

    def _place(self, pid: int, raw: int, arrival_us: int, out: list[Output]) -> int:
        """Media time of a unit; a step of the source's clock is reported."""
        jumps = self._time.jumps
        expected, slack = None, 0
        sound = self._sound
        is_sound = self._audio is not None and pid == self._audio.pid
        if is_sound and sound is not None and sound.next_at is not None:
            expected, slack = (
                sound.next_at * HZ // sound.spec.timescale,
                sound.frame * HZ // sound.spec.timescale,
            )
        media = self._time.place(pid, raw, arrival_us, expected, slack)
        if self._time.jumps != jumps:
            facts = {"stream": "audio" if is_sound else "video", "by_s": round(self._time.stepped / HZ, 3)}
            out.append(Notice("clock_jump", facts))
        return media

    def _unit(self, event: Unit, out: list[Output]) -> None:
        if self._video is not None and event.pid == self._video.pid:
            if self._picture is not None:
                self._picture.data += event.data
                self._picture.damaged |= event.damaged
        elif self._audio is not None and event.pid == self._audio.pid:
            self._hear(event.data, out)

    # -- pictures ------------------------------------------------------------------------------------------

    def _release(self, next_dts: int, out: list[Output]) -> None:
        """The waiting picture is complete, the next one begins at `next_dts`: make it a sample."""
        picture, self._picture = self._picture, None
        if picture is None or self._video is None:
            return
        codec: annexb.VideoCodec = "h264" if self._video.codec == "h264" else "hevc"
        all_nals = self._carried + annexb.split(picture.data)
        unit = annexb.access_unit(codec, all_nals)
        if not unit.picture:  # sets or SEI sent as a unit of their own belong to the picture after them
            self._carried = [nal for kind in unit.sets for nal in kind] + list(unit.nals)[:16]
            return
        self._carried = []
        if next_dts > picture.dts:
            self._step = next_dts - picture.dts
        entry = entry_of(codec, all_nals) or _intra_with_sets(codec, unit)
        if entry is not None:
            self._key(codec, unit, picture, entry, out)
        run = self._run
        if run.key_pts is None or (picture.pts < run.key_pts and (unit.leading or run.open_start)):
            return  # nothing to decode it with
        sync = entry is not None
        nals = (self._sets if sync else ()) + unit.nals
        sample = Sample(picture.dts, picture.pts, self._step, sync, annexb.length_prefixed(nals))
        self._write(VIDEO_ID, sample, out)

    def _key(
        self, codec: str, unit: annexb.AccessUnit, picture: _Picture, entry: AccessPoint, out: list[Output]
    ) -> None:
        """A key picture: use its parameter sets; a run may begin here."""
        sets = tuple(nal for kind in unit.sets for nal in kind)
        if sets and all(unit.sets) and sets != self._sets and not picture.damaged:
            try:
                description = describe_video(codec, sets)
                format_id = key_facts(_blank_track(codec), annexb.length_prefixed(sets + unit.nals)).format_id
            except Malformed as error:
                out.append(Notice("bad_parameter_sets", {"reason": str(error)}))
            else:
                self._sets = sets
                if format_id != self._format_id or self._run.writer is None:
                    self._format_id = format_id
                    self._describe(description, out)
        if self._spec is None:
            return
        if self._run.restart:
            self._end_run("tracks changed", out)
        if self._run.key_pts is None:
            self._run.key_pts, self._run.open_start = picture.pts, entry.kind == "recovery"

    def _describe(self, new: Description, out: list[Output]) -> None:
        self._spec = TrackSpec(VIDEO_ID, False, HZ, new.entry, new.width, new.height)
        if self._run.writer is not None:
            out.append(Notice("picture_changed", {"width": new.width, "height": new.height}))
            out.extend(self._run.writer.describe(self._spec))

    # -- sound ---------------------------------------------------------------------------------------------

    def _hear(self, data: bytes, out: list[Output]) -> None:
        assert self._audio is not None
        if self._audio.codec == "opus":
            for frame in opus_frames(data, self._audio.channels):
                self._sound_frame(frame, True, out)
        else:
            for frame, began_here in self._adts.feed(data):
                self._sound_frame(frame, began_here, out)

    def _sound_frame(self, frame: AudioFrame, began_here: bool, out: list[Output]) -> None:
        sound = self._sound_of(frame)
        if sound is None:
            return
        if began_here and self._sound_at is not None:
            stamped = (self._sound_at * frame.rate + HZ // 2) // HZ
            self._sound_at = None
            if sound.next_at is None or abs(stamped - sound.next_at) > _AUDIO_RESYNC_S * frame.rate:
                sound.next_at = stamped
        if sound.next_at is None:
            return
        at, sound.next_at = sound.next_at, sound.next_at + frame.samples
        if self._run.key_pts is not None and not self._run.restart:
            self._write(AUDIO_ID, Sample(at, at, frame.samples, True, frame.data), out)

    def _sound_of(self, frame: AudioFrame) -> _Sound | None:
        """The track of `frame`; a new kind of sound is accepted once it has arrived several times."""
        if self._sound is not None and self._sound.spec.entry == frame.entry:
            self._strange = 0
            return self._sound
        self._strange += 1
        if self._sound is not None and self._strange < _BELIEVED_AFTER:
            return None
        self._run.restart = self._run.writer is not None
        self._sound, self._strange = (
            _Sound(TrackSpec(AUDIO_ID, True, frame.rate, frame.entry), frame.samples),
            0,
        )
        return self._sound

    # -- the run -------------------------------------------------------------------------------------------

    def _write(self, track_id: int, sample: Sample, out: list[Output]) -> None:
        self.pictures += track_id == VIDEO_ID
        if self._run.writer is not None:
            out.extend(self._run.writer.add(track_id, sample))
            return
        lead = self._run.lead
        lead.append((track_id, sample))
        waited = (
            max(sample_waiting.dts for which, sample_waiting in lead if which == VIDEO_ID) - lead[0][1].dts
        )
        if self._audio is None or self._sound is not None or waited >= _AUDIO_WAIT:
            self._begin_run(out)

    def _begin_run(self, out: list[Output]) -> None:
        """The sound tracks are known, or none arrived in time: create the writer."""
        assert self._spec is not None and self._video is not None
        time, pid = self._time, self._video.pid
        stream_id = self._new_stream_id()
        facts = {"run": stream_id.hex(), "width": self._spec.width, "height": self._spec.height}
        out.append(
            Notice("run_started", facts | {"codec": self._video.codec, "audio": self._sound is not None})
        )
        writer = self._run.writer = FragmentWriter(
            [self._spec] + ([self._sound.spec] if self._sound is not None else []),
            stream_id=stream_id,
            part_s=self._part_s,
            segment_s=self._segment_s,
            ntp_ns=lambda media_ns: time.wall_us(pid, media_ns * 9 // 100_000) * 1000,
        )
        for track_id, sample in self._run.lead:
            out.extend(writer.add(track_id, sample))

    def _end_run(self, reason: str, out: list[Output]) -> None:
        """Close the files."""
        if reason == STREAM_ENDED and self._picture is not None and self._picture.data:
            self._release(self._picture.dts + self._step, out)
        if self._run.writer is None and self._run.lead:
            self._begin_run(out)
        if self._run.writer is not None:
            out.extend(self._run.writer.close())
            out.append(Notice("run_ended", {"reason": reason, "pictures": self.pictures}))
        self._run = _Run()
