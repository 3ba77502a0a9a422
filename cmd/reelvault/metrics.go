package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reelvault/reelvault/media/recorder"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/media/webrtc"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/storage"
)

// snapshot is every part's figures at one moment.
type snapshot struct {
	recorder recorder.Stats
	webrtc   webrtc.Stats
	sip      sip.Stats
	archive  storage.ArchiveStats
	spool    spool.Usage
	storeUp  bool
}

// metric is one line of the table: what it is called, what it says, and how
// it is read. One that only grows is a counter, by its name.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	read       func(snapshot) float64
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// table is every metric of ours.
func table() []metric {
	return []metric{
		{"recordings", "Recordings that take publishers.", gauge, func(s snapshot) float64 { return float64(s.recorder.Recordings) }},
		{"recorder_packets_total", "RTP packets taken for recording.", counter, func(s snapshot) float64 { return float64(s.recorder.Packets) }},
		{"recorder_frames_total", "Frames written, silence included.", counter, func(s snapshot) float64 { return float64(s.recorder.Frames) }},
		{"recorder_bytes_total", "Bytes written to the spool.", counter, func(s snapshot) float64 { return float64(s.recorder.Bytes) }},
		{"recorder_overload_packets_total", "Packets dropped for a full inbox.", counter, func(s snapshot) float64 { return float64(s.recorder.Overloads) }},
		{"recorder_abandoned_files_total", "Files given up after a disk error.", counter, func(s snapshot) float64 { return float64(s.recorder.Abandoned) }},
		{"recorder_keyframe_requests_total", "Keyframes asked for.", counter, func(s snapshot) float64 { return float64(s.recorder.KeyframeAsks) }},
		{"recorder_silence_frames_total", "Frames of silence written into holes.", counter, func(s snapshot) float64 { return float64(s.recorder.SilenceFrames) }},
		{"webrtc_publishers", "Publishing connections.", gauge, func(s snapshot) float64 { return float64(s.webrtc.Publishers) }},
		{"webrtc_watchers", "Watching connections.", gauge, func(s snapshot) float64 { return float64(s.webrtc.Watchers) }},
		{"webrtc_packets_total", "RTP packets received, retransmissions included.", counter, func(s snapshot) float64 { return float64(s.webrtc.Packets) }},
		{"webrtc_malformed_packets_total", "Packets that are no RTP.", counter, func(s snapshot) float64 { return float64(s.webrtc.Malformed) }},
		{"webrtc_recovered_packets_total", "Packets that came because they were asked for again.", counter, func(s snapshot) float64 { return float64(s.webrtc.Recovered) }},
		{"webrtc_nacks_total", "Packets asked for again.", counter, func(s snapshot) float64 { return float64(s.webrtc.NACKs) }},
		{"webrtc_forwarded_packets_total", "Packets sent to watchers.", counter, func(s snapshot) float64 { return float64(s.webrtc.Forwarded) }},
		{"sip_calls", "Telephone calls.", gauge, func(s snapshot) float64 { return float64(s.sip.Calls) }},
		{"sip_calls_total", "Calls that were answered.", counter, func(s snapshot) float64 { return float64(s.sip.Begun) }},
		{"sip_refused_calls_total", "Calls that were refused.", counter, func(s snapshot) float64 { return float64(s.sip.Refused) }},
		{"sip_broken_calls_total", "Calls that ended without a goodbye.", counter, func(s snapshot) float64 { return float64(s.sip.Broken) }},
		{"sip_messages_total", "SIP messages from allowed networks.", counter, func(s snapshot) float64 { return float64(s.sip.Messages) }},
		{"sip_foreign_messages_total", "SIP messages from elsewhere.", counter, func(s snapshot) float64 { return float64(s.sip.Strangers) }},
		{"sip_limited_messages_total", "SIP messages and connections over a limit.", counter, func(s snapshot) float64 { return float64(s.sip.Limited) }},
		{"sip_malformed_messages_total", "Messages that are no SIP, or too large.", counter, func(s snapshot) float64 { return float64(s.sip.Malformed + s.sip.TooLarge) }},
		{"rtp_packets_total", "RTP packets of calls that were taken.", counter, func(s snapshot) float64 { return float64(s.sip.RTP.Packets) }},
		{"rtp_foreign_packets_total", "Packets to a call's port from where they may not come.", counter, func(s snapshot) float64 { return float64(s.sip.RTP.Foreign) }},
		{"rtp_malformed_packets_total", "Packets to a call's port that are no RTP or RTCP.", counter, func(s snapshot) float64 { return float64(s.sip.RTP.Malformed) }},
		{"rtp_overflow_packets_total", "Packets that the kernel dropped for a full buffer.", counter, func(s snapshot) float64 { return float64(s.sip.RTP.Overflows) }},
		{"store_up", "1 while the object store takes bytes.", gauge, func(s snapshot) float64 { return truth(s.storeUp) }},
		{"archive_backlog_files", "Sealed files that are not verified in the store.", gauge, func(s snapshot) float64 { return float64(s.archive.BacklogFiles) }},
		{"archive_backlog_bytes", "Bytes of those files.", gauge, func(s snapshot) float64 { return float64(s.archive.BacklogBytes) }},
		{"archive_backlog_seconds", "How long the first of those files has waited.", gauge, func(s snapshot) float64 { return s.archive.OldestAge.Seconds() }},
		{"archive_parts_total", "Parts stored.", counter, func(s snapshot) float64 { return float64(s.archive.Parts) }},
		{"archive_verified_files_total", "Files read back from the store and committed.", counter, func(s snapshot) float64 { return float64(s.archive.Verified) }},
		{"archive_retries_total", "Tries to store that failed.", counter, func(s snapshot) float64 { return float64(s.archive.Retries) }},
		{"archive_mismatches_total", "Objects that did not read back as the file.", counter, func(s snapshot) float64 { return float64(s.archive.Mismatches) }},
		{"spool_files", "Files in the spool.", gauge, func(s snapshot) float64 { return float64(s.spool.Files) }},
		{"spool_bytes", "Bytes in the spool.", gauge, func(s snapshot) float64 { return float64(s.spool.Bytes) }},
		{"spool_free_bytes", "Bytes that the spool's file system has left.", gauge, func(s snapshot) float64 { return float64(s.spool.Free) }},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collector reads all parts once a scrape.
type collector struct {
	node  *node
	table []metric
	descs []*prometheus.Desc
}

// metrics serves the figures of this node and of the Go runtime.
func (n *node) metrics() http.Handler {
	c := &collector{node: n, table: table()}
	for _, m := range c.table {
		c.descs = append(c.descs, prometheus.NewDesc("reelvault_"+m.name, m.help, nil, nil))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	usage, err := c.node.spool.Usage()
	if err != nil {
		c.node.log.Warn("read spool usage", "err", err)
	}
	s := snapshot{
		recorder: c.node.recorder.Stats(), webrtc: c.node.gateway.Stats(), archive: c.node.archive.Stats(),
		spool: usage, storeUp: c.node.archive.Healthy() == nil,
	}
	if c.node.phone != nil {
		s.sip = c.node.phone.Stats()
	}
	for i, m := range c.table {
		ch <- prometheus.MustNewConstMetric(c.descs[i], m.kind, m.read(s))
	}
}
