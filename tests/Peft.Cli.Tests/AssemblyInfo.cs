// Torch's random generator and the environment belong to the process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
