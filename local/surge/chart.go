package surge

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"time"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours are of Okabe and Ito's palette, which people with any colour vision tell apart:
// https://jfly.uni-koeln.de/color/.
var (
	blue  = color.NRGBA{0, 114, 178, 255}
	green = color.NRGBA{0, 158, 115, 255}
	red   = color.NRGBA{213, 94, 0, 255} // vermilion
	dark  = color.NRGBA{60, 60, 60, 255}
	grey  = color.NRGBA{120, 120, 120, 255}
	faint = color.NRGBA{225, 225, 225, 255}
)

// The chart's measures, in points.
const (
	chartWidth  = 820
	chartHeight = 900
	titleHeight = 58
	keyHeight   = 24 // above each panel: what it shows, and its colours
	leftMargin  = 62 // the same for all panels, so that their times are below each other
	rightMargin = 18
	mostBins    = 1200 // points of a curve: more than can be told apart
	chartDPI    = 144
)

// series is a curve of a panel, by seconds from the on-sale.
type series struct {
	name   string
	points plotter.XYs
	color  color.Color
	dashed bool
	filled bool
}

type panel struct {
	title  string
	series []series
}

// WriteSVG writes the chart: joins, line, admissions and the shop's load over time, one below the other.
func (r *Report) WriteSVG(w io.Writer) error {
	canvas := vgsvg.New(chartWidth, chartHeight)
	if err := r.draw(draw.New(canvas)); err != nil {
		return err
	}
	var document bytes.Buffer
	if _, err := canvas.WriteTo(&document); err != nil {
		return err
	}
	// Arial and Helvetica have the measures of Liberation Sans, which few browsers have.
	named := bytes.ReplaceAll(document.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans, Arial, Helvetica, sans-serif"))
	_, err := w.Write(named)
	return err
}

// WritePNG writes the same chart as a picture.
func (r *Report) WritePNG(w io.Writer) error {
	canvas := vgimg.NewWith(vgimg.UseWH(chartWidth, chartHeight), vgimg.UseDPI(chartDPI))
	if err := r.draw(draw.New(canvas)); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

func (r *Report) draw(c draw.Canvas) error {
	c.FillPolygon(color.White, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c.FillText(textStyle(16, dark, true), vg.Point{X: leftMargin, Y: c.Max.Y - 28}, r.title())
	c.FillText(textStyle(10.5, grey, false), vg.Point{X: leftMargin, Y: c.Max.Y - 46}, r.subtitle())
	panels := r.panels()
	from, to := span(panels)
	height := (c.Max.Y - titleHeight) / vg.Length(len(panels))
	for i, p := range panels {
		top := c.Max.Y - titleHeight - vg.Length(i)*height
		area := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: c.Min.X, Y: top - height}, Max: vg.Point{X: c.Max.X, Y: top}}}
		if err := p.draw(area, from, to, i == len(panels)-1); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) title() string {
	return fmt.Sprintf("%s people, let in at %s a minute", grouped(r.Crowd.Visitors), grouped(int64(r.Rate)))
}

func (r *Report) subtitle() string {
	return fmt.Sprintf("Event %s. %s joins in the busiest second. %s", r.Event, grouped(r.Joins.Peak), r.headline())
}

func textStyle(size vg.Length, c color.Color, bold bool) draw.TextStyle {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return draw.TextStyle{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

// panels are the parts of the chart. The shop has one if it took orders.
func (r *Report) panels() []panel {
	log := r.log
	joins := panel{title: "Joins a second", series: []series{
		{name: "answered", points: log.curve(0, func(s Second) int64 { return s.Joins }), color: blue, filled: true},
	}}
	if r.Joins.Refused > 0 {
		joins.series = append(joins.series, series{name: "refused, asked again", color: red,
			points: log.curve(0, func(s Second) int64 { return s.Refused })})
	}
	line := panel{title: "People in line", series: []series{
		{name: "waiting", points: log.curve(0, func(s Second) int64 { return s.Waiting }), color: blue, filled: true},
		{name: "called so far", points: log.pointer(), color: green},
	}}
	entry := panel{title: "Admissions a minute", series: []series{
		{name: "admitted", points: log.perMinute(func(s Second) int64 { return s.Admitted }), color: green, filled: true},
		{name: "rate set by the promoter", points: log.level(log.Rate), color: dark, dashed: true},
	}}
	panels := []panel{joins, line, entry}
	if r.Shop.Orders > 0 || r.without != nil {
		panels = append(panels, r.shopPanel())
	}
	return panels
}

func (r *Report) shopPanel() panel {
	orders := func(s Second) int64 { return s.Orders }
	p := panel{title: "Orders completed a minute", series: []series{
		{name: "with the room", points: r.log.perMinute(orders), color: green, filled: true},
	}}
	if r.without != nil {
		p.series = append(p.series, series{name: "the same crowd without it", points: r.without.perMinute(orders), color: red})
	}
	if r.Services.ShopCapacity > 0 {
		p.series = append(p.series, series{name: "the shop's capacity", points: r.log.level(r.Services.ShopCapacity), color: dark, dashed: true})
	}
	return p
}

// curve is the mean of what happened in a second, per bin. Over is the span in which it is smoothed.
func (log *Log) curve(over time.Duration, of func(Second) int64) plotter.XYs {
	bin := (len(log.Seconds) + mostBins - 1) / mostBins
	back := max(int(over/time.Second), bin)
	var points plotter.XYs
	for end := bin; end > 0 && end <= len(log.Seconds); end += bin {
		var sum int64
		seconds := log.Seconds[max(0, end-back):end]
		for _, s := range seconds {
			sum += of(s)
		}
		at := float64(end) - float64(bin)/2 - log.OnSale.Seconds()
		points = append(points, plotter.XY{X: at, Y: float64(sum) / float64(len(seconds))})
	}
	return points
}

// perMinute is a curve of what happened in a minute, smoothed over a window of the cap or more.
func (log *Log) perMinute(of func(Second) int64) plotter.XYs {
	over := 5 * time.Second
	if log.Rate < slow {
		over = time.Minute
	}
	points := log.curve(over, of)
	for i := range points {
		points[i].Y *= 60
	}
	return points
}

// pointer is how many places have been called.
func (log *Log) pointer() plotter.XYs {
	every := log.Ended / mostBins
	var points plotter.XYs
	last := Never
	for _, s := range log.Statuses {
		if last != Never && s.At-last < every {
			continue
		}
		points = append(points, plotter.XY{X: (s.At - log.OnSale).Seconds(), Y: float64(s.Admitted)})
		last = s.At
	}
	return points
}

func (log *Log) level(y int) plotter.XYs {
	return plotter.XYs{{X: -log.OnSale.Seconds(), Y: float64(y)}, {X: (log.Ended - log.OnSale).Seconds(), Y: float64(y)}}
}

// span is the time that the panels have in common.
func span(panels []panel) (from, to float64) {
	for _, p := range panels {
		for _, s := range p.series {
			for _, at := range s.points {
				from, to = min(from, at.X), max(to, at.X)
			}
		}
	}
	return from, max(to, from+1)
}

func (p panel) draw(c draw.Canvas, from, to float64, labelled bool) error {
	chart := plot.New()
	chart.BackgroundColor = color.Transparent
	chart.X.Min, chart.X.Max = from, to
	chart.Y.Min, chart.Y.Max = 0, 1
	for _, s := range p.series {
		for _, at := range s.points {
			chart.Y.Max = max(chart.Y.Max, at.Y)
		}
	}
	chart.Y.Max *= 1.08
	yTicks := countTicks(chart.Y.Max)
	chart.X.Tick.Marker, chart.Y.Tick.Marker = plot.ConstantTicks(timeTicks(from, to)), plot.ConstantTicks(yTicks)
	for _, axis := range []*plot.Axis{&chart.X, &chart.Y} {
		axis.Tick.Label.Font = textStyle(9.5, dark, false).Font
		axis.Tick.Label.Color = dark
		axis.Label.TextStyle.Font = textStyle(10, grey, false).Font
		axis.Label.TextStyle.Color = grey
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = grey, grey
		axis.Padding = 0
	}
	chart.Y.LineStyle.Width, chart.Y.Tick.LineStyle.Width, chart.Y.Tick.Length = 0, 0, 3
	if labelled {
		chart.X.Label.Text = "minutes and seconds from the on-sale"
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Color, grid.Horizontal.Width = 0, faint, 0.6
	chart.Add(grid)
	for _, s := range p.series {
		if err := s.addTo(chart); err != nil {
			return fmt.Errorf("chart of %s: %w", p.title, err)
		}
	}
	opened, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 0, Y: chart.Y.Max}})
	if err != nil {
		return err
	}
	opened.Color, opened.Width, opened.Dashes = grey, 0.7, []vg.Length{2, 2}
	if from < 0 {
		chart.Add(opened)
	}
	p.drawKey(c)
	// What stands left of the axis is as wide as its longest figure.
	wide := vg.Length(0)
	for _, t := range yTicks {
		wide = max(wide, chart.Y.Tick.Label.Width(t.Label))
	}
	chart.Draw(draw.Crop(c, leftMargin-wide-chart.Y.Tick.Length-2, -rightMargin, 6, -keyHeight))
	return nil
}

func (s series) addTo(chart *plot.Plot) error {
	if len(s.points) == 0 {
		return nil
	}
	line, err := plotter.NewLine(s.points)
	if err != nil {
		return err
	}
	line.Color, line.Width = s.color, 1.4
	if s.dashed {
		line.Width, line.Dashes = 1.1, []vg.Length{5, 3}
	}
	if s.filled {
		r, g, b, _ := s.color.RGBA()
		line.FillColor = color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 40}
	}
	chart.Add(line)
	return nil
}

// drawKey writes what the panel shows and, to the right of it, which colour means what.
func (p panel) drawKey(c draw.Canvas) {
	y := c.Max.Y - 15
	title := textStyle(11.5, dark, true)
	c.FillText(title, vg.Point{X: leftMargin, Y: y}, p.title)
	x := c.Max.X - rightMargin
	names := textStyle(10, dark, false)
	for i := len(p.series) - 1; i >= 0; i-- {
		s := p.series[i]
		x -= names.Width(s.name)
		c.FillText(names, vg.Point{X: x, Y: y}, s.name)
		style := draw.LineStyle{Color: s.color, Width: 2.2}
		if s.dashed {
			style.Dashes = []vg.Length{5, 3}
		}
		c.StrokeLine2(style, x-23, y+3.5, x-5, y+3.5)
		x -= 41
	}
}

// timeTicks are some ten moments at round distances, as minutes and seconds or hours and minutes.
func timeTicks(from, to float64) []plot.Tick {
	steps := []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if (to-from)/s <= 12 {
			step = s
			break
		}
	}
	var ticks []plot.Tick
	for at := math.Ceil(from/step) * step; at <= to; at += step {
		ticks = append(ticks, plot.Tick{Value: at, Label: clock(time.Duration(at) * time.Second)})
	}
	return ticks
}

// countTicks are four or five round figures from 0 to most.
func countTicks(most float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.5, 1} {
		if most/(step*part) <= 5 {
			step *= part
			break
		}
	}
	step = max(step, 1)
	var ticks []plot.Tick
	for y := 0.0; y <= most; y += step {
		ticks = append(ticks, plot.Tick{Value: y, Label: grouped(int64(y))})
	}
	return ticks
}
