fn main() {
    println!("{:?}", tch::Tensor::from_slice(&[1f64, 2.]).sum(tch::Kind::Double));
}
