package term

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"kowabunga/core/fault"
)

// After firstWord a step that is still running says so, then again every nextWord.
const (
	firstWord = 2 * time.Second
	nextWord  = 10 * time.Second
)

// Progress reports the steps of something that takes a while. Each finished step is one line
//
//	12:03:04 +1.2s  pool      created
//
// with the time of day, the time since the step began, its name and how it ended. On a terminal the steps
// that are running stand below as bars; elsewhere a step that lasts says so from time to time. Steps may
// run side by side; all methods may be called from any goroutine.
type Progress struct {
	mu     sync.Mutex
	out    io.Writer
	bars   *mpb.Progress // nil when out is no terminal
	color  bool
	start  time.Time
	now    func() time.Time
	after  func(time.Duration, func()) (stop func() bool)
	open   map[*Step]bool
	closed bool
}

// NewProgress reports on w, usually standard error. Close it when all is done.
func NewProgress(w io.Writer) *Progress {
	p := newProgress(w, time.Now, func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop })
	if IsTerminal(w) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(Width(w)), mpb.WithRefreshRate(120*time.Millisecond))
		p.color = Colored("auto", w)
	}
	return p
}

func newProgress(w io.Writer, now func() time.Time, after func(time.Duration, func()) func() bool) *Progress {
	return &Progress{out: w, now: now, after: after, start: now(), open: map[*Step]bool{}}
}

// Step is one running part of the work.
type Step struct {
	p     *Progress
	name  string
	begun time.Time
	bar   *mpb.Bar
	stop  func() bool
	ended bool

	// The bar asks for these while it is drawn and answers no call meanwhile: they have a lock of their
	// own, and no method of the bar is called with a lock held.
	told        sync.Mutex
	note        string
	done, total int64
}

// Step begins a step. The name is a word or two and starts its lines.
func (p *Progress) Step(name string) *Step {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &Step{p: p, name: name, begun: p.now()}
	if p.closed {
		s.ended = true
		return s
	}
	p.open[s] = true
	if p.bars != nil {
		s.bar = p.bars.MustAdd(0, barOrSpinner(),
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-10s", name)), decor.Elapsed(decor.ET_STYLE_MMSS, decor.WC{W: 8})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + s.text() })),
			mpb.BarRemoveOnComplete())
		return s
	}
	s.stop = p.after(firstWord, s.remind)
	return s
}

// Update says how far the step is, in bytes. A total of 0 means that it is not known.
func (s *Step) Update(done, total int64) {
	s.told.Lock()
	s.done, s.total = done, total
	s.told.Unlock()
	if s.bar != nil && total > 0 {
		s.bar.SetTotal(total+1, false) // one more than the end: only Done and Fail complete the bar
		s.bar.SetCurrent(min(done, total))
	}
}

// Say tells what the step is doing right now.
func (s *Step) Say(format string, args ...any) {
	s.told.Lock()
	defer s.told.Unlock()
	s.note = fmt.Sprintf(format, args...)
}

// Done ends the step with its result.
func (s *Step) Done(format string, args ...any) { s.end("", fmt.Sprintf(format, args...), green) }

// Skip ends a step that had nothing to do.
func (s *Step) Skip(format string, args ...any) { s.end("", fmt.Sprintf(format, args...), "") }

// Fail ends the step with an error and returns the error, so that it can end the caller too.
func (s *Step) Fail(err error) error {
	text := "called off"
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		text = f.Public()
	case err != nil:
		text = err.Error()
	}
	s.end("failed: ", text, red)
	return err
}

// Close ends the report; steps still running are marked as left. It must be called even after a failure.
func (p *Progress) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	var left []*Step
	for s := range p.open {
		left = append(left, s)
	}
	p.mu.Unlock()
	for _, s := range left {
		s.end("", "left unfinished", yellow)
	}
	if p.bars != nil {
		p.bars.Wait()
	}
}

// Elapsed is the time since the report began.
func (p *Progress) Elapsed() time.Duration { return p.now().Sub(p.start) }

func (s *Step) end(prefix, text, color string) {
	p := s.p
	p.mu.Lock()
	if s.ended {
		p.mu.Unlock()
		return
	}
	s.ended = true
	delete(p.open, s)
	if s.stop != nil {
		s.stop()
	}
	line := s.line(prefix+text, color)
	bar := s.bar
	if bar == nil {
		_, _ = io.WriteString(p.out, line)
	}
	p.mu.Unlock()
	if bar != nil {
		_, _ = p.bars.Write([]byte(line))
		bar.Abort(true)
		bar.Wait()
	}
}

// remind writes a line for a step that still runs, where there are no bars.
func (s *Step) remind() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.ended {
		return
	}
	_, _ = io.WriteString(p.out, s.line(orElse(s.text(), "running")+" …", ""))
	s.stop = p.after(nextWord, s.remind)
}

func (s *Step) line(text, color string) string {
	now := s.p.now()
	text = printable(text)
	if s.p.color {
		text = paint(color, text)
	}
	return fmt.Sprintf("%s %6s  %-9s %s\n", now.Format("15:04:05"), fmt.Sprintf("+%.1fs", now.Sub(s.begun).Seconds()), s.name, text)
}

// text is how far the step is and what it says, either of which may be missing.
func (s *Step) text() string {
	s.told.Lock()
	defer s.told.Unlock()
	amount := ""
	switch {
	case s.total > 0:
		amount = fmt.Sprintf("%s of %s (%d %%)", Bytes(s.done), Bytes(s.total), 100*s.done/s.total)
	case s.done > 0:
		amount = Bytes(s.done)
	}
	if amount != "" && s.note != "" {
		return amount + ", " + s.note
	}
	return amount + s.note
}

// Bytes writes an amount of bytes for people: "512 B", "32.0 MiB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGTP"[unit])
}

// barOrSpinner draws a bar once a total is known and a spinner before.
func barOrSpinner() mpb.BarFiller {
	bar, spinner := mpb.BarStyle().Build(), mpb.SpinnerStyle().PositionLeft().Build()
	return mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		if stat.Total > 0 {
			return bar.Fill(w, stat)
		}
		return spinner.Fill(w, stat)
	})
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
