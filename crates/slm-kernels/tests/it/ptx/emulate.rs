//! An emulator of the PTX that the tensor-core kernels use.
//!
//! A plane runs the lanes at its lowest program counter in lockstep; planes take turns at barriers, in either order, so
//! that a missing barrier between planes changes results. The layout of matrix fragments is opaque in PTX, so the emulator
//! has its own: element `i` of a fragment belongs to lane `i / elements per lane`. An instruction that needs all lanes of a
//! plane panics without them, as do unaligned accesses and accesses outside buffers.

use super::program::{Instruction, Operand, Program};

const LANES: usize = 32;
/// Rows and columns of a fragment.
const EDGE: usize = 16;

/// Buffers of a device: the upper half of an address is the index of a buffer, the lower half the offset.
pub(crate) struct Memory(Vec<Vec<u8>>);

/// The state of a unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    /// At a barrier of the plane.
    AtPlane,
    /// At a barrier of the cube.
    AtCube,
    Done,
}

struct Cube<'a> {
    program: &'a Program,
    arguments: &'a [u64],
    memory: &'a mut Memory,
    shared: Vec<u8>,
    position: [u32; 3],
    /// `[register][unit]`
    registers: Vec<Vec<u64>>,
    counters: Vec<usize>,
    states: Vec<State>,
}

impl Memory {
    pub(crate) fn new(buffers: Vec<Vec<u8>>) -> Self {
        Self(buffers)
    }

    pub(crate) fn address(buffer: usize) -> u64 {
        (buffer as u64 + 1) << 32
    }

    pub(crate) fn buffer(&self, buffer: usize) -> &[u8] {
        &self.0[buffer]
    }

    pub(crate) fn buffer_mut(&mut self, buffer: usize) -> &mut [u8] {
        &mut self.0[buffer]
    }

    fn at(&mut self, address: u64, bytes: usize) -> &mut [u8] {
        let buffer = (address >> 32) as usize - 1;
        let offset = address as u32 as usize;
        &mut self.0[buffer][offset..offset + bytes]
    }
}

/// Runs all cubes of a launch. `arguments` are the addresses of the kernel's buffers.
pub(crate) fn launch(
    program: &Program,
    cubes: [u32; 3],
    arguments: &[u64],
    memory: &mut Memory,
    last_plane_first: bool,
) {
    for z in 0..cubes[2] {
        for y in 0..cubes[1] {
            for x in 0..cubes[0] {
                let mut cube = Cube {
                    program,
                    arguments,
                    memory,
                    // Garbage, as on a device.
                    shared: vec![0xff; program.shared_bytes],
                    position: [x, y, z],
                    registers: vec![vec![0; program.units]; program.registers],
                    counters: vec![0; program.units],
                    states: vec![State::Runs; program.units],
                };
                cube.run(last_plane_first);
            }
        }
    }
}

impl Cube<'_> {
    fn run(&mut self, last_plane_first: bool) {
        let planes = self.program.units / LANES;
        while self.states.iter().any(|&state| state != State::Done) {
            for turn in 0..planes {
                let plane = if last_plane_first {
                    planes - 1 - turn
                } else {
                    turn
                };
                self.run_plane(plane * LANES..(plane + 1) * LANES);
            }
            assert!(
                self.states
                    .iter()
                    .all(|s| matches!(s, State::AtCube | State::Done)),
                "a barrier of the cube that some planes do not reach"
            );
            for state in &mut self.states {
                if *state == State::AtCube {
                    *state = State::Runs;
                }
            }
        }
    }

    /// Runs a plane up to a barrier of the cube, or its end.
    fn run_plane(&mut self, units: std::ops::Range<usize>) {
        loop {
            let running = |cube: &Self| -> Vec<usize> {
                let runs = |&unit: &usize| cube.states[unit] == State::Runs;
                units.clone().filter(runs).collect()
            };
            let mut lanes = running(self);
            if lanes.is_empty() {
                let waiting = |state| self.states[units.clone()].iter().all(|&s| s == state);
                if !waiting(State::AtPlane) {
                    assert!(
                        self.states[units.clone()]
                            .iter()
                            .all(|&s| s != State::AtPlane),
                        "a barrier of the plane that some lanes do not reach"
                    );
                    return;
                }
                self.states[units.clone()].fill(State::Runs);
                lanes = running(self);
            }
            let Some(counter) = lanes.iter().map(|&unit| self.counters[unit]).min() else {
                return;
            };
            lanes.retain(|&unit| self.counters[unit] == counter);
            self.step(counter, &lanes);
        }
    }

    fn step(&mut self, counter: usize, lanes: &[usize]) {
        let program = self.program;
        let instruction = &program.instructions[counter];
        for &unit in lanes {
            self.counters[unit] = counter + 1;
        }
        let guarded: Vec<usize> = match instruction.guard {
            None => lanes.to_vec(),
            Some((register, expected)) => {
                let holds = |unit: &&usize| (self.registers[register][**unit] != 0) == expected;
                lanes.iter().filter(holds).copied().collect()
            }
        };
        if !guarded.is_empty() {
            self.execute(instruction, &guarded);
        }
    }

    fn execute(&mut self, instruction: &Instruction, lanes: &[usize]) {
        let parts: Vec<&str> = instruction.name.split('.').collect();
        let operands = &instruction.operands;
        match parts[0] {
            "bra" => {
                let Operand::Label(target) = operands[0] else {
                    panic!("{}", instruction.name)
                };
                for &unit in lanes {
                    self.counters[unit] = target;
                }
            }
            "ret" => self.set_states(lanes, State::Done),
            "bar" if parts[1] == "warp" => self.set_states(lanes, State::AtPlane),
            "bar" => self.set_states(lanes, State::AtCube),
            "wmma" => {
                assert_eq!(lanes.len(), LANES, "{} without all lanes", instruction.name);
                match parts[1] {
                    "load" | "store" => self.move_fragment(&parts, operands, lanes),
                    _ => self.multiply(operands, lanes),
                }
            }
            "shfl" => {
                assert_eq!(lanes.len(), LANES, "a shuffle without all lanes");
                let values: Vec<u64> = lanes.iter().map(|&u| self.get(&operands[1], u)).collect();
                for (lane, &unit) in lanes.iter().enumerate() {
                    let mask = self.get(&operands[2], unit) as usize;
                    self.set(&operands[0], unit, values[lane ^ mask]);
                }
            }
            "vote" => {
                assert_eq!(lanes.len(), LANES, "a vote without all lanes");
                let any = lanes.iter().any(|&unit| self.get(&operands[1], unit) != 0);
                for &unit in lanes {
                    self.set(&operands[0], unit, u64::from(any));
                }
            }
            "ld" | "st" => {
                for &unit in lanes {
                    self.access(&parts, operands, unit);
                }
            }
            _ => {
                for &unit in lanes {
                    let inputs: Vec<u64> = operands[1..]
                        .iter()
                        .map(|operand| self.get(operand, unit))
                        .collect();
                    let value = super::arithmetic::compute(&parts, &inputs, lanes);
                    self.set(&operands[0], unit, value);
                }
            }
        }
    }

    fn set_states(&mut self, lanes: &[usize], state: State) {
        for &unit in lanes {
            self.states[unit] = state;
        }
    }

    fn get(&self, operand: &Operand, unit: usize) -> u64 {
        match operand {
            Operand::Register(register) => self.registers[*register][unit],
            Operand::Constant(value) => *value,
            Operand::Special(name) => match name.as_str() {
                "%tid.x" => unit as u64,
                "%tid.y" | "%tid.z" => 0,
                "%ctaid.x" => u64::from(self.position[0]),
                "%ctaid.y" => u64::from(self.position[1]),
                "%ctaid.z" => u64::from(self.position[2]),
                _ => panic!("special register {name}"),
            },
            // Two halves of a register of 32 bits.
            Operand::List(parts) => parts
                .iter()
                .rev()
                .fold(0, |value, part| value << 16 | self.get(part, unit) & 0xffff),
            Operand::Memory { base, offset } => {
                let base = base
                    .as_ref()
                    .map_or(0, |register| self.registers[*register][unit]);
                base.wrapping_add_signed(*offset)
            }
            Operand::Label(_) | Operand::Parameter(_) => panic!("not a value"),
        }
    }

    fn set(&mut self, operand: &Operand, unit: usize, value: u64) {
        match operand {
            Operand::Register(register) => self.registers[*register][unit] = value,
            Operand::List(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    self.set(part, unit, value >> (16 * i) & 0xffff);
                }
            }
            _ => panic!("not a register"),
        }
    }

    fn bytes(&mut self, space: &str, address: u64, bytes: usize) -> &mut [u8] {
        assert!(
            address.is_multiple_of(bytes as u64),
            "an access that is not aligned"
        );
        match space {
            "shared" => &mut self.shared[address as usize..address as usize + bytes],
            "global" => self.memory.at(address, bytes),
            _ => panic!("memory space {space}"),
        }
    }

    /// A load or store of one value or a vector.
    fn access(&mut self, parts: &[&str], operands: &[Operand], unit: usize) {
        let space = parts[1];
        let stores = parts[0] == "st";
        let (register, place) = if stores {
            (&operands[1], &operands[0])
        } else {
            (&operands[0], &operands[1])
        };
        if let Operand::Parameter(index) = place {
            self.set(register, unit, self.arguments[*index]);
            return;
        }
        let width = parts[parts.len() - 1][1..]
            .parse::<usize>()
            .expect("a width in bits")
            / 8;
        let single = [register];
        let registers: Vec<&Operand> = match register {
            Operand::List(list) => list.iter().collect(),
            _ => single.to_vec(),
        };
        let address = self.get(place, unit);
        let total = width * registers.len();
        assert!(
            address.is_multiple_of(total as u64),
            "a vector that is not aligned"
        );
        for (i, register) in registers.into_iter().enumerate() {
            let at = address + (i * width) as u64;
            let mut value = [0; 8];
            if stores {
                value = self.get(register, unit).to_le_bytes();
                self.bytes(space, at, width)
                    .copy_from_slice(&value[..width]);
            } else {
                value[..width].copy_from_slice(self.bytes(space, at, width));
                self.set(register, unit, u64::from_le_bytes(value));
            }
        }
    }

    fn list(operand: &Operand) -> &[Operand] {
        let Operand::List(registers) = operand else {
            panic!("not a fragment")
        };
        registers
    }

    /// The 256 elements of a fragment in the order of its registers, `bytes` each.
    fn fragment(&self, operand: &Operand, lanes: &[usize], bytes: usize) -> Vec<u32> {
        let registers = Self::list(operand);
        let mut elements = Vec::with_capacity(EDGE * EDGE);
        for &unit in lanes {
            for register in registers {
                let value = self.get(register, unit) as u32;
                if bytes == 2 {
                    elements.extend([value & 0xffff, value >> 16]);
                } else {
                    elements.push(value);
                }
            }
        }
        assert_eq!(elements.len(), EDGE * EDGE);
        elements
    }

    fn set_fragment(&mut self, operand: &Operand, lanes: &[usize], bytes: usize, elements: &[u32]) {
        let registers = Self::list(operand);
        let per_register = 4 / bytes;
        let mut values = elements.chunks_exact(per_register);
        for &unit in lanes {
            for register in registers {
                let value = match values.next().expect("a value for each register") {
                    [low, high] => high << 16 | low,
                    value => value[0],
                };
                self.set(register, unit, u64::from(value));
            }
        }
    }

    /// `wmma.load.a.sync.aligned.row.m16n16k16.shared.bf16` and its like.
    fn move_fragment(&mut self, parts: &[&str], operands: &[Operand], lanes: &[usize]) {
        assert_eq!((parts[6], parts[7]), ("m16n16k16", "shared"));
        let stores = parts[1] == "store";
        let (fragment, place) = if stores {
            (&operands[1], &operands[0])
        } else {
            (&operands[0], &operands[1])
        };
        let bytes = if parts[8] == "f32" { 4 } else { 2 };
        let address = self.get(place, lanes[0]) as usize;
        let stride = self.get(&operands[2], lanes[0]) as usize;
        for &unit in lanes {
            assert_eq!(
                self.get(place, unit) as usize,
                address,
                "lanes differ in the address"
            );
        }
        assert!(
            address.is_multiple_of(32),
            "a fragment that is not aligned to 32 bytes"
        );
        assert!(
            (stride * bytes).is_multiple_of(16),
            "rows that are not aligned to 16 bytes"
        );
        let at = |i: usize| {
            let (row, column) = (i / EDGE, i % EDGE);
            let index = if parts[5] == "row" {
                row * stride + column
            } else {
                column * stride + row
            };
            address + index * bytes
        };
        if stores {
            let elements = self.fragment(fragment, lanes, bytes);
            for (i, element) in elements.iter().enumerate() {
                self.shared[at(i)..at(i) + bytes].copy_from_slice(&element.to_le_bytes()[..bytes]);
            }
        } else {
            let element = |i: usize| {
                let mut value = [0; 4];
                value[..bytes].copy_from_slice(&self.shared[at(i)..at(i) + bytes]);
                u32::from_le_bytes(value)
            };
            let elements: Vec<u32> = (0..EDGE * EDGE).map(element).collect();
            self.set_fragment(fragment, lanes, bytes, &elements);
        }
    }

    /// d = a b + c, summed in double precision and rounded once.
    fn multiply(&mut self, operands: &[Operand], lanes: &[usize]) {
        let half = |bits: &u32| f64::from(f32::from_bits(bits << 16));
        let a: Vec<f64> = self
            .fragment(&operands[1], lanes, 2)
            .iter()
            .map(half)
            .collect();
        let b: Vec<f64> = self
            .fragment(&operands[2], lanes, 2)
            .iter()
            .map(half)
            .collect();
        let c = self.fragment(&operands[3], lanes, 4);
        let element = |i: usize| {
            let (row, column) = (i / EDGE, i % EDGE);
            let start = f64::from(f32::from_bits(c[i]));
            let sum: f64 = (0..EDGE)
                .map(|k| a[row * EDGE + k] * b[k * EDGE + column])
                .sum();
            ((start + sum) as f32).to_bits()
        };
        let d: Vec<u32> = (0..EDGE * EDGE).map(element).collect();
        self.set_fragment(&operands[0], lanes, 4, &d);
    }
}
