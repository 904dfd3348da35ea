// Package benchmarks measures the functions over the real AWS SDK and the engine in this process,
// each beside the same calls of DynamoDB and nothing else. It holds tests only; docs/performance.md
// says how to run them and what they showed.
package benchmarks
