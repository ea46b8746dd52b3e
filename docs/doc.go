// Package docs is a test only: it holds what the README and these pages say against the
// code. Programs compile and run, links lead somewhere, names exist, and every log line is
// explained.
package docs
