package dynamodb

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// expression is a parsed text. It does not depend on the placeholders' meaning, and serves any
// number of calls at once.
type expression struct {
	condition condition // of a condition, a filter or a key condition
	changes   changes   // of an update
	paths     []path    // of a projection

	names, values []string // the placeholders that occur, each once
}

// check refuses values given of a type that the expression can do nothing with.
func (e *expression) check(s *scope) error {
	if e.condition != nil {
		return e.condition.check(s)
	}
	return e.changes.check(s)
}

// The parameters that hold expressions, as DynamoDB's messages name them.
const (
	conditionExpression    = "ConditionExpression"
	updateExpression       = "UpdateExpression"
	projectionExpression   = "ProjectionExpression"
	filterExpression       = "FilterExpression"
	keyConditionExpression = "KeyConditionExpression"
)

// mostKept is how many expressions an engine keeps parsed. A program has a few dozen; one that writes
// values into its expressions makes the engine parse them all again at times, and nothing worse.
const mostKept = 1000

// expressions keeps what was parsed.
type expressions struct {
	kept  sync.Map // of *expression by source
	count atomic.Int64
}

type source struct{ parameter, text string }

func (e *expressions) parse(parameter, text string) (*expression, error) {
	if found, ok := e.kept.Load(source{parameter, text}); ok {
		return found.(*expression), nil
	}
	parsed, err := parse(parameter, text)
	if err != nil {
		return nil, err
	}
	if e.count.Add(1) > mostKept {
		e.kept.Clear()
		e.count.Store(1)
	}
	// What the caller gave may be part of a large request, which must not be kept for it.
	e.kept.Store(source{parameter, strings.Clone(text)}, parsed)
	return parsed, nil
}

// parser reads tokens. Its methods panic with a syntax error, which parse returns.
type parser struct {
	parameter string
	tokens    []token
	at        int
	parsed    expression
}

type token struct {
	kind rune // 'a' a word, '#' a name, ':' a value, '0' a number, '<' an operator or bracket, 0 the end
	text string
}

type syntaxError struct{ err error }

// deepestCondition bounds how deep conditions may be nested, and so the stack.
const deepestCondition = 100

func parse(parameter, text string) (parsed *expression, err error) {
	text = strings.Clone(text)
	if strings.TrimSpace(text) == "" {
		return nil, invalid("Invalid %s: The expression can not be empty;", parameter)
	}
	if len(text) > 4096 {
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", parameter, len(text))
	}
	p := &parser{parameter: parameter}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case syntaxError:
			parsed, err = nil, r.err
		default:
			panic(r)
		}
	}()
	p.tokenize(text)
	switch parameter {
	case updateExpression:
		p.update()
	case projectionExpression:
		p.parsed.paths = []path{p.path()}
		for p.accept(",") {
			p.parsed.paths = append(p.parsed.paths, p.path())
		}
	default:
		p.parsed.condition = p.either(0)
	}
	if p.peek().kind != 0 {
		p.unexpected()
	}
	return &p.parsed, nil
}

func (p *parser) fail(format string, a ...any) {
	panic(syntaxError{invalid("Invalid "+p.parameter+": "+format, a...)})
}

func (p *parser) unexpected() {
	text := p.peek().text
	if p.peek().kind == 0 {
		text = "<EOF>"
	}
	near := ""
	for _, t := range p.tokens[max(p.at-1, 0):min(p.at+2, len(p.tokens)-1)] {
		near = strings.TrimSpace(near + " " + t.text)
	}
	p.fail("Syntax error; token: %q, near: %q", text, near)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) tokenize(text string) {
	for i := 0; i < len(text); {
		begin, c := i, text[i]
		i++
		kind := '<'
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		case c == '#' || c == ':' || isWord(c):
			for i < len(text) && isWord(text[i]) {
				i++
			}
			switch {
			case c == '#' || c == ':':
				kind = rune(c)
			case c >= '0' && c <= '9':
				kind = '0'
			default:
				kind = 'a'
			}
			if kind != 'a' && kind != '0' && i == begin+1 {
				p.fail("Syntax error; token: %q, near: %q", text[begin:i], text[begin:])
			}
		case strings.IndexByte("(),.[]=+-", c) >= 0:
		case c == '<' || c == '>':
			if i < len(text) && (text[i] == '=' || c == '<' && text[i] == '>') {
				i++
			}
		default:
			p.fail("Syntax error; token: %q, near: %q", text[begin:i], text[begin:])
		}
		p.tokens = append(p.tokens, token{kind, text[begin:i]})
	}
	p.tokens = append(p.tokens, token{})
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != 0 {
		p.at++
	}
	return t
}

// accept takes an operator or bracket if it comes next, expect insists on it.
func (p *parser) accept(operator string) bool {
	if t := p.peek(); t.kind == '<' && t.text == operator {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(operator string) {
	if !p.accept(operator) {
		p.unexpected()
	}
}

// word takes a keyword if it comes next. Keywords have no case.
func (p *parser) word(keyword string) bool {
	if t := p.peek(); t.kind == 'a' && strings.EqualFold(t.text, keyword) {
		p.at++
		return true
	}
	return false
}

// either is conditions joined by OR, both by AND, one by neither.
func (p *parser) either(depth int) condition {
	left := p.both(depth)
	for p.word("OR") {
		left = or{left, p.both(depth)}
	}
	return left
}

func (p *parser) both(depth int) condition {
	left := p.one(depth)
	for p.word("AND") {
		left = and{left, p.one(depth)}
	}
	return left
}

func (p *parser) one(depth int) condition {
	if depth > deepestCondition {
		p.fail("The expression is nested too deeply")
	}
	if p.word("NOT") {
		return not{p.one(depth + 1)}
	}
	// A bracket may hold a condition or an operand: whichever it is, it was opened here.
	if begin := p.at; p.accept("(") {
		if !p.operandInBrackets() {
			again := p.peek().text == "("
			opened := p.at
			inner := p.either(depth + 1)
			if again && p.closing(opened+1) == p.at {
				p.fail("The expression has redundant parentheses;")
			}
			p.expect(")")
			return inner
		}
		p.at = begin
	}
	if c := p.test(); c != nil {
		return c
	}
	return p.comparison()
}

// operandInBrackets reports whether the bracket that was opened holds a lone operand, as in (a) = (b).
func (p *parser) operandInBrackets() bool {
	switch after := p.tokens[p.closing(p.at)]; after.kind {
	case '<':
		return after.text != ")"
	case 'a':
		return strings.EqualFold(after.text, "BETWEEN") || strings.EqualFold(after.text, "IN")
	}
	return false
}

// closing returns where the expression goes on behind the bracket that was opened before inside.
func (p *parser) closing(inside int) int {
	for depth := 1; depth > 0 && p.tokens[inside].kind != 0; inside++ {
		switch p.tokens[inside].text {
		case "(":
			depth++
		case ")":
			depth--
		}
	}
	return inside
}

// test is a function that is a condition by itself, or nil if none comes next.
func (p *parser) test() condition {
	t := p.peek()
	if t.kind != 'a' || p.tokens[p.at+1].text != "(" {
		return nil
	}
	switch t.text {
	case "attribute_exists", "attribute_not_exists":
		p.at += 2
		c := exists{p.path(), t.text == "attribute_exists"}
		p.expect(")")
		return c
	case "attribute_type", "begins_with", "contains":
		p.at += 2
		left := p.operand()
		p.expect(",")
		right := p.operand()
		p.expect(")")
		return match{t.text, left, right}
	case "size":
		return nil
	}
	p.fail("Invalid function name; function: %s", t.text)
	return nil
}

func (p *parser) comparison() condition {
	left := p.operand()
	if p.word("BETWEEN") {
		low := p.operand()
		if !p.word("AND") {
			p.unexpected()
		}
		return between{left, low, p.operand()}
	}
	if p.word("IN") {
		p.expect("(")
		c := in{left, []operand{p.operand()}}
		for p.accept(",") {
			c.list = append(c.list, p.operand())
		}
		p.expect(")")
		return c
	}
	t := p.peek()
	if t.kind != '<' || !slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text) {
		p.unexpected()
	}
	p.at++
	return comparison{t.text, left, p.operand()}
}

// operand is a path, a value or a size.
func (p *parser) operand() operand {
	if p.accept("(") {
		inner := p.operand()
		p.expect(")")
		return inner
	}
	if t := p.peek(); t.kind == ':' {
		return p.value()
	} else if t.kind == 'a' && p.tokens[p.at+1].text == "(" {
		if t.text != "size" || p.parameter == updateExpression {
			p.fail("Invalid function name; function: %s", t.text)
		}
		p.at += 2
		o := sizeOf{p.operand()}
		p.expect(")")
		return o
	}
	return p.path()
}

func (p *parser) value() operand {
	t := p.next()
	if t.kind != ':' {
		p.at--
		p.unexpected()
	}
	if !slices.Contains(p.parsed.values, t.text) {
		p.parsed.values = append(p.parsed.values, t.text)
	}
	return placeholder(t.text)
}

func (p *parser) path() path {
	whole := path{p.name()}
	for {
		switch {
		case p.accept("."):
			whole = append(whole, p.name())
		case p.accept("["):
			t := p.next()
			index, err := strconv.Atoi(t.text)
			if t.kind != '0' || err != nil {
				p.fail("Syntax error; token: %q, near: %q", t.text, "["+t.text)
			}
			p.expect("]")
			whole = append(whole, step{index: index})
		default:
			return whole
		}
	}
}

func (p *parser) name() step {
	t := p.peek()
	switch {
	case t.kind == '#':
		if !slices.Contains(p.parsed.names, t.text) {
			p.parsed.names = append(p.parsed.names, t.text)
		}
	case t.kind != 'a':
		p.unexpected()
	case isReserved(t.text):
		p.fail("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
	}
	p.at++
	return step{name: t.text}
}

// update is the four clauses, in any order and each at most once.
func (p *parser) update() {
	c := &p.parsed.changes
	seen := map[string]bool{}
	for p.peek().kind != 0 {
		t := p.next()
		clause := strings.ToUpper(t.text)
		if t.kind != 'a' {
			p.at--
			p.unexpected()
		}
		if seen[clause] {
			p.fail(`The "%s" section can only be used once in an update expression;`, clause)
		}
		seen[clause] = true
		switch clause {
		case "SET":
			p.actions(func() { c.set = append(c.set, p.assignment()) })
		case "REMOVE":
			p.actions(func() { c.remove = append(c.remove, p.path()) })
		case "ADD":
			p.actions(func() { c.add = append(c.add, assignment{p.path(), p.value()}) })
		case "DELETE":
			p.actions(func() { c.subtract = append(c.subtract, assignment{p.path(), p.value()}) })
		default:
			p.at--
			p.unexpected()
		}
	}
}

func (p *parser) actions(one func()) {
	one()
	for p.accept(",") {
		one()
	}
}

func (p *parser) assignment() assignment {
	target := p.path()
	p.expect("=")
	left := p.term()
	if p.accept("+") {
		return assignment{target, arithmetic{left, p.term(), false}}
	}
	if p.accept("-") {
		return assignment{target, arithmetic{left, p.term(), true}}
	}
	return assignment{target, left}
}

// term is what an assignment adds or takes as it is.
func (p *parser) term() operand {
	if p.accept("(") {
		inner := p.term()
		p.expect(")")
		return inner
	}
	t := p.peek()
	if t.kind != 'a' || p.tokens[p.at+1].text != "(" {
		return p.operand()
	}
	p.at += 2
	var o operand
	switch t.text {
	case "if_not_exists":
		target := p.path()
		p.expect(",")
		o = ifNotExists{target, p.term()}
	case "list_append":
		left := p.term()
		p.expect(",")
		o = listAppend{left, p.term()}
	default:
		p.fail("Invalid function name; function: %s", t.text)
	}
	p.expect(")")
	return o
}
