using Xunit;

// Torch has one random generator for all threads: tests that seed it would disturb each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
