package main

import (
	"bytes"
	"io"
	"unicode"
)

// printer writes text to a terminal or a file. What others say, Stigg among them, moves no cursor
// and changes no colour.
type printer struct {
	w   io.Writer
	err error // the first of writing
	// greets says that what is printed is no result.
	greets bool
}

func (p *printer) Write(text []byte) (int, error) {
	shown := bytes.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, text)
	if _, err := p.w.Write(shown); err != nil {
		if p.err == nil {
			p.err = err
		}
		return 0, err
	}
	return len(text), nil
}
