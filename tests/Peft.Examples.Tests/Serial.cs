// Trainers seed torch's global generator, and completions are drawn from it: runs of several tests at a time would take each other's numbers.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
