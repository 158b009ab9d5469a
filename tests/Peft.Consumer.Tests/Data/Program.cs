using Peft;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

var folder = Path.Combine(AppContext.BaseDirectory, "adapter");
random.manual_seed(1);
using var model = new Regressor();
using var copy = new Regressor();
copy.load_state_dict(model.state_dict());
using var inputs = randn(64, 8);
using var labels = inputs.square().sum(1, keepdim: true).div(8);

using var peft = model.ApplyLora(rank: 4, targets: "all-linear");
peft.PrintTrainableParameters();

var trainer = new Trainer(peft, TrainingDataset.From(inputs, labels), new TrainingOptions { Epochs = 40, BatchSize = 16, LearningRate = 1e-2 })
{
    Loss = batch => functional.mse_loss(model.call(batch.InputIds), batch.Labels!),
};
var losses = (await trainer.TrainAsync()).Losses;
Console.WriteLine($"The loss fell: {losses.TakeLast(4).Average() < losses.Take(4).Average() / 2}");

peft.SaveAdapter(folder);
using var loaded = copy.ApplyAdapter(folder);
using (no_grad())
    Console.WriteLine($"Outputs are equal: {model.call(inputs).equal(copy.call(inputs)).all().item<bool>()}");

internal sealed class Regressor : Module<Tensor, Tensor>
{
    private readonly Linear embed = Linear(8, 16);
    private readonly Block block = new();
    private readonly Sequential head = Sequential(("hidden", Linear(16, 16)), ("activation", Tanh()), ("output", Linear(16, 1)));

    public Regressor() : base(nameof(Regressor)) => RegisterComponents();

    public override Tensor forward(Tensor input) => head.call(block.call(embed.call(input)));
}

internal sealed class Block : Module<Tensor, Tensor>
{
    private readonly Linear up = Linear(16, 32);
    private readonly Linear down = Linear(32, 16);

    public Block() : base(nameof(Block)) => RegisterComponents();

    public override Tensor forward(Tensor input) => input + down.call(functional.relu(up.call(input)));
}
